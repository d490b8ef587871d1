import type { ByteString } from "../../../ffi/bytes.ts";
import { quoted } from "../../cli/display.ts";
import { type AllowPlaces, placeFault } from "./places.ts";
import type { AllowWord, Granted } from "./word.ts";

/** The path that git opens: it expands `~` and `~user` itself. Undefined for the home of another user. */
function expanded(path: ByteString, home: ByteString): ByteString | undefined {
  if (!path.startsWith("~")) return path;
  return path === "~" || path.startsWith("~/") ? `${home}${path.slice(1)}` : undefined;
}

/**
 * The path for git, so that what it opens is in a place: of `NAME` it opens NAME/.git or NAME, and then NAME.git/.git or
 * NAME.git. After `/.` it finds nothing beside the directory. Returns undefined if neither is in a place.
 */
function pathForGit(path: ByteString, use: "read" | "write", places: AllowPlaces): ByteString | undefined {
  let end = path.length;
  while (end > 1 && path[end - 1] === "/") end--;
  const name = path.slice(0, end);
  const opened = expanded(name, places.home) ?? "";
  const own = placeFault(opened, use, places) === undefined;
  const other = placeFault(`${opened}.git`, use, places) === undefined;
  if (own) return other ? path : `${name}/.`;
  return other ? `${name}.git/.` : undefined;
}

/** git's own check of options comes besides: src/known-programs/git.ts. */
function judgeGit(
  args: readonly ByteString[],
  invoked: ByteString,
  places: AllowPlaces,
  servers: readonly string[],
): Granted | string {
  const words = invoked.startsWith("git-") ? [invoked.slice("git-".length), ...args] : args;
  const server = words[0] ?? "";
  if (!servers.includes(server)) return `only 'git ${servers.join("' and 'git ")}' can be called here`;
  const paths: ByteString[] = [];
  for (let at = 1; at < words.length; at++) {
    const word = words[at] ?? "";
    if (!word.startsWith("-")) paths.push(word);
  }
  const [path, more] = paths;
  if (path === undefined || more !== undefined) return "the path of one repository is needed";
  const opened = expanded(path, places.home);
  if (opened === undefined) return `${quoted(path)} is the home of another user`;
  const writes = server === "receive-pack";
  const use = writes ? "write" : "read";
  const given = pathForGit(path, use, places);
  if (given === undefined) return placeFault(opened, use, places) ?? "its path is in no place";
  return { args: args.with(args.lastIndexOf(path), given), writes };
}

const gitWord = (servers: readonly string[], readOnly: boolean, help: string): AllowWord => ({
  service: "git",
  ...(readOnly ? { readOnly, programs: ["git-upload-pack"] } : { needsWrite: true as const }),
  help,
  judge: (args, invoked, places) => judgeGit(args, invoked, places, servers),
});

/** `git read` */
export const gitRead = gitWord(
  ["upload-pack"],
  true,
  "Clones and fetches with git(1), from repositories below read.",
);

/** `git write` */
export const gitWrite = gitWord(
  ["upload-pack", "receive-pack"],
  false,
  "As git read, and pushes into repositories below write. Hooks do not run.",
);

/** `svn`: svnserve(8) gets paths by its protocol. `--tunnel-user` would name another author. */
export const svn: AllowWord = {
  service: "svn",
  help: "Subversion through svn+ssh; svnserve(8) gets -R if nothing may be written. The author of a commit is the account. Hooks do not run.",
  judge(args, _, { write }) {
    let isTunnel = false;
    let readOnly = write !== "all" && write.length === 0;
    const added = readOnly ? ["-R"] : [];
    for (const word of args) {
      if (word === "-t" || word === "--tunnel") isTunnel = true;
      else if (word === "-R" || word === "--read-only") readOnly = true;
      else return `argument ${quoted(word)} is not one that a client sends`;
    }
    return isTunnel
      ? { args: [...added, ...args], writes: !readOnly }
      : "only 'svnserve -t' can be called here";
  },
};
