/** Uploads of the accounts: correct repositories, and over them all the ways in. */
import type { ByteString } from "../../ffi/bytes.ts";
import { type Account, IDS, JAIL, type Scene, textFor } from "./uploads-scene.ts";
import { sftp } from "./uploads-uses.ts";
import { WAYS } from "./uploads-ways.ts";

const CLIENT = "/root/client";
const BASE = "/root/base";

/** Makes the repositories that every account uploads, and what the clients push into them. */
export function makeRepositories({ m, client }: Scene): void {
  const must = (...argv: ByteString[]) => {
    const result = client(argv);
    if (result.status !== 0) throw new Error(`${argv.join(" ")}: ${result.stderr}${result.stdout}`);
    return result.stdout;
  };
  const text = (last: string) =>
    `${Array.from({ length: 200 }, (_, at) => at * at * 7919).join("\n")}\n${last}\n`;
  const user =
    "[user]\nname = T\nemail = t@example.org\nsigningKey = /root/client/key.pub\n[gpg]\nformat = ssh\n";
  m.write(`${CLIENT}/.gitconfig`, `${user}[init]\ndefaultBranch = main\n`);
  must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "key");
  m.write(`${BASE}/signers`, `t@example.org ${m.read(`${CLIENT}/key.pub`)}`);
  must("git", "init", "-q", "git");
  m.write(`${CLIENT}/git/file`, text("one"));
  must("git", "-C", "git", "add", ".");
  must("git", "-C", "git", "commit", "-q", "-m", "one");
  for (const name of ["clean.git", "bad.git", "lazy.git", "local.git"])
    must("git", "clone", "-q", "--bare", "git", `${BASE}/${name}`);
  must("git", "clone", "-q", "git", `${BASE}/tree`);
  // A push there is described as a change of this file, so that the server must get it from somewhere.
  const blob = must("git", "-C", "git", "rev-parse", "HEAD:file").trim();
  for (const name of ["lazy.git", "local.git"])
    m.remove(`${BASE}/${name}/objects/${blob.slice(0, 2)}/${blob.slice(2)}`);
  m.write(`${CLIENT}/git/file`, text("two"));
  must("git", "-C", "git", "commit", "-q", "-a", "-m", "two");
  must("cvs", "-d", `${BASE}/cvs`, "init");
  m.mkdir(`${BASE}/cvs/d`);
  must("svnadmin", "create", `${BASE}/svn`);
  must("hg", "init", `${BASE}/hg`);
  m.write(`${BASE}/file`, "file\n");
  for (const name of ["esc", "ran", "sync"]) m.mkdir(`${BASE}/${name}`);
}

/** Uploads all the files of all the ways, as the account itself does it: by sftp. */
export function uploadAll(scene: Scene, account: Account): void {
  const { m } = scene;
  const tree = `/root/tree/${account.name}`;
  m.mkdir("/root/tree");
  m.must(["cp", "-a", BASE, tree]);
  m.must(["chmod", "-R", "u+w", tree]);
  for (const { files } of Object.values(WAYS)) putAll(scene, account, tree, files);
  const program = m.readBytes("/root/program");
  for (const id of IDS) m.write(`${tree}/esc/${id}`, program, { mode: 0o755 });
  put(scene, account, tree);
}

/** Uploads these files, in the form of the lists of ways. */
export function upload(
  scene: Scene,
  account: Account,
  files: Readonly<Record<ByteString, ByteString>>,
): void {
  const tree = `/root/tree/more-${account.name}`;
  scene.m.remove(tree);
  putAll(scene, account, tree, files);
  put(scene, account, tree);
}

function putAll(
  { m }: Scene,
  a: Account,
  tree: ByteString,
  files: Readonly<Record<ByteString, ByteString>>,
): void {
  const program = m.readBytes("/root/program");
  for (const [path, text] of Object.entries(files)) {
    const own = textFor(a, text);
    const mode = own === undefined || own.startsWith("#!") ? 0o755 : 0o644;
    m.write(`${tree}/${path}`, own ?? program, { mode });
  }
}

function put(scene: Scene, account: Account, tree: ByteString): void {
  const done = sftp(scene, account, `lcd ${tree}\nput -rp .\n`);
  const missing = scene.m
    .list(tree)
    .filter((name) => !scene.m.exists(`${JAIL}/home/${account.name}/${name}`));
  if (done.status !== 0 || missing.length > 0)
    throw new Error(`not uploaded: ${missing.join(" ")} ${done.stderr}`);
}
