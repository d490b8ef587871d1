import type { ByteString } from "../../ffi/bytes.ts";
import { S_IFDIR, S_IFMT, S_IFREG } from "../../ffi/constants.ts";
import { wordReason } from "./options.ts";
import { CALLS, type Program, type ProgramFiles } from "./program.ts";

type Kind = "directory" | "file" | "missing" | "changeable";

/** The kind of file at an absolute path. "changeable": users other than root can change it, or it is another type of file. */
function kindOf(path: ByteString, files: ProgramFiles): Kind {
  const parts = path.split("/").slice(1);
  let kind: Kind = "missing";
  for (let i = 0; i <= parts.length; i++) {
    const found = files.look(`/${parts.slice(0, i).join("/")}`);
    if (found === undefined) return "missing";
    const type = found.mode & S_IFMT;
    if (found.uid !== 0 || (found.mode & 0o022) !== 0) return "changeable";
    if (type === S_IFDIR) kind = "directory";
    else if (type === S_IFREG && i === parts.length) kind = "file";
    else return "changeable";
  }
  return kind;
}

// Where git(1) looks for a repository, and files in it that can name programs or another repository.
const PLACES = ["", "/.git", ".git", ".git/.git"];
const FILES = ["config", "config.worktree", "info/attributes"];

/**
 * True if only root can change the programs that the configuration of a git repository names: nobody else can write the
 * repository, its configuration files and the directories above. Objects and references may belong to anybody. False for
 * paths that git would search for in another way: relative ones, `~`, a file instead of .git.
 */
export function isRootsRepository(path: ByteString, files: ProgramFiles): boolean {
  let end = path.length;
  // A pattern for this takes time quadratic in the number of slashes, and a client may type 100,000.
  while (path[end - 1] === "/") end--;
  const plain = path.slice(0, end);
  const parts = plain.split("/").slice(1);
  if (!plain.startsWith("/") || parts.some((part) => /^\.{0,2}$/.test(part))) return false;
  const kinds = PLACES.map((place): [ByteString, Kind] => [plain + place, kindOf(plain + place, files)]);
  if (kinds.some(([, kind]) => kind !== "directory" && kind !== "missing")) return false;
  const repositories = kinds.flatMap(([place, kind]) => (kind === "directory" ? [place] : []));
  const isSafe = (place: ByteString) =>
    kindOf(`${place}/commondir`, files) === "missing" &&
    ["directory", "missing"].includes(kindOf(`${place}/info`, files)) &&
    FILES.every((name) => ["file", "missing"].includes(kindOf(`${place}/${name}`, files)));
  return repositories.length > 0 && repositories.every(isSafe);
}

const SERVERS = ["upload-pack", "receive-pack"];
const ARCHIVE = "upload-archive";

// `--help` is not among them: it starts man(1) or what man.<tool>.cmd names. CVE-2017-8386.
const OPTIONS =
  /^(?:--(?:no-)?strict|--timeout=[0-9]+|--stateless-rpc|--(?:http-backend-info|advertise)-refs|-q|--quiet|--skip-connectivity-check)$/;

function refusal(args: readonly ByteString[], invoked: ByteString, files: ProgramFiles): string | undefined {
  // git reads its own name first: git-upload-pack is a link to git.
  const words = invoked.startsWith("git-") ? [invoked.slice("git-".length), ...args] : args;
  const [command = "", ...rest] = words;
  if (words.length === 1 && (command === "version" || command === "--version")) return undefined;
  // filter.<name>.smudge may be git itself under another name, such as `git diff`, which can start the dynamic linker
  // with a file of the user (tried): the kernel cannot distinguish that from a start of git.
  if (command === ARCHIVE) {
    const [repository = ""] = rest;
    if (rest.length === 1 && isRootsRepository(repository, files)) return undefined;
    return "upload-archive starts programs that the configuration of the repository names, and users other than root can change it";
  }
  if (!SERVERS.includes(command))
    return `only 'git upload-pack', 'git receive-pack' and 'git upload-archive' ${CALLS}`;
  return wordReason({ words: OPTIONS, operands: true }, rest);
}

/**
 * Programs that a repository's own configuration could name; each was tried with git 2.47, except hook.*. Pairs of the
 * environment override those of files. They cannot override a key with a list, or a key with a name that the user chooses:
 * the feature that reads it is disabled, if possible.
 */
const CONFIG: readonly (readonly [string, string])[] = [
  ["core.hooksPath", "/dev/null"],
  // git 2.54 and later have configured hooks, under any name: hook.<name>.command. These may run in a push, or in the gc
  // after it.
  ["hook.pre-receive.enabled", "false"],
  ["hook.update.enabled", "false"],
  ["hook.post-receive.enabled", "false"],
  ["hook.post-update.enabled", "false"],
  ["hook.proc-receive.enabled", "false"],
  ["hook.push-to-checkout.enabled", "false"],
  ["hook.reference-transaction.enabled", "false"],
  ["hook.pre-auto-gc.enabled", "false"],
  // Started for a push into a repository with alternates. This command finds no ref.
  ["core.alternateRefsCommand", "git-for-each-ref"],
  // Started when an index is read, for example by the gc after a push into a repository with a work tree.
  ["core.fsmonitor", "false"],
  // A gc runs many parts of git, by the repository's configuration: none follows a push.
  ["receive.autogc", "false"],
  // For an administrator who wants a gc: if it drops no object, it does not ask gc.recentObjectsHook, which is a list.
  ["gc.pruneExpire", "never"],
  // Signed pushes, if hooks are enabled again.
  ["gpg.program", "/dev/null"],
  ["gpg.openpgp.program", "/dev/null"],
  ["gpg.x509.program", "/dev/null"],
  ["gpg.ssh.program", "/dev/null"],
  // updateInstead checks files out: filter.<name>.smudge, core.fsmonitor.
  ["receive.denyCurrentBranch", "refuse"],
];

/** git(1), as the three servers for its clients. */
export const git: Program = {
  names: ["git", "git-upload-pack", "git-receive-pack", "git-upload-archive"],
  forms: [
    "git upload-pack ...",
    "git-upload-pack ...",
    "git receive-pack ...",
    "git-receive-pack ...",
    "git upload-archive REPOSITORY",
    "git-upload-archive REPOSITORY",
    "git version",
    "git --version",
  ],
  inputs:
    "It reads /etc/gitconfig, but not ~/.gitconfig (git 2.32 and later; older ones read both). Hooks of a repository do not run; those that its config names (git 2.54 and later) do not run if git knows hook.<event>.enabled. It fetches from no other repository. A push checks nothing out, and starts no gc (for repositories that only root can configure, the key environment can set receive.autogc; gc then drops nothing). It allows upload-archive only for repositories that only root can configure (the directory and those above it, config and info/attributes; objects and references may belong to anybody), by absolute path: in the config of other repositories, filter.<name>.smudge and tar.<name>.command name programs, and no setting overrides them. It gets GIT_PROTOCOL of the session, and no other GIT_*.",
  refusal,
  // `refusal` allows them: git-config is git too.
  versions: [],
  environment: {
    set: {
      GIT_CONFIG_GLOBAL: "/dev/null",
      // The missing objects of a partial clone: remote.<name>.uploadpack, core.sshCommand, ext::.
      GIT_ALLOW_PROTOCOL: "none",
      GIT_NO_LAZY_FETCH: "1",
      // pager.<command>, if standard error is a terminal.
      GIT_PAGER: "cat",
    },
    dropped: /^(?:GIT_(?!PROTOCOL$).*|XDG_CONFIG_HOME|EDITOR|VISUAL|PAGER)$/,
    gitConfig: CONFIG,
  },
  starts: [
    "/usr/lib/git-core",
    "/usr/libexec/git-core",
    "/usr/local/lib/git-core",
    "/usr/local/libexec/git-core",
    "/usr/bin/git",
  ],
  hooks: "git",
};
