/**
 * A machine with server programs in a jail, a real sshd that allows more than it should, two kinds of accounts, and a
 * watch on every execve(2) below sshd.
 */
import type { ByteString } from "../../ffi/bytes.ts";
import { type Machine, openMachine, type RunOptions, type RunResult, type Sshd } from "../machine/machine.ts";
import { type Executed, startWatch, type Watch } from "./exec-watch.ts";
import { HOSTILE } from "./uploads-hostile.ts";
import { WAYS } from "./uploads-ways.ts";

export const JAIL = "/home/sftproot";

/**
 * What uploaded files name: programs that were uploaded too; or root's own in the jail that nobody listed, the dynamic
 * loader with an uploaded program among them.
 */
export type Target = "uploaded" | "unlisted";

/** An account: its shell is jk_lsh, or for comparison a plain shell, where what can be started is started. */
export interface Account {
  name: string;
  target: Target;
  limited: boolean;
  /** The key of jk_lsh.ini while the account is used. */
  execute: "system" | "any";
}

export const UPLOADED: Account = { name: "upl", target: "uploaded", limited: true, execute: "system" };
export const UNLISTED: Account = { name: "unl", target: "unlisted", limited: true, execute: "system" };
/** The same without the kernel's help. */
const any = (one: Account): Account => ({ ...one, name: `${one.name}-any`, execute: "any" });
export const FREE: Account = { name: "free", target: "uploaded", limited: false, execute: "any" };
export const LIMITED = [UPLOADED, any(UPLOADED), UNLISTED, any(UNLISTED)];
const ACCOUNTS = [...LIMITED, FREE];

export interface Scene {
  m: Machine;
  sshd: Sshd;
  /** Runs a client with its files below /root/client, as root. */
  client(argv: readonly ByteString[], options?: RunOptions): RunResult;
  /** Gives all limited accounts the same section, with these lines besides. */
  policy(...lines: ByteString[]): void;
  watch: Watch;
  /** The ids of the ways that worked: by what was executed, or by what code left behind in the account's home. */
  seen(account: Account, executed: readonly Executed[]): string[];
}

/** The programs that the limited accounts may run: each one that is known as a server, by all its names. */
export const LISTED: readonly ByteString[] = [
  ...["rsync", "scp", "git", "git-upload-pack", "git-receive-pack", "git-upload-archive", "cvs", "svnserve"],
  ...["hg", "mosh-server", "borg", "unison", "unison-2.53"],
  // Other names: the first two are hard links, the others symbolic ones.
  ...["sync", "copy", "rsync-3.4", "unison-text", "repositories"],
].map((name) => `/usr/bin/${name}`);

const python =
  "encodings importlib collections re json email urllib http logging ctypes multiprocessing concurrent";
const more =
  "lib-dynload asyncio html xml xmlrpc zipfile pathlib sysconfig unittest tomllib __pycache__ dbm curses string";
const below = (folder: string, names: string) => names.split(" ").map((name) => `${folder}/${name}`);
const hgAndBorg = "mercurial hgext hgdemandimport borg borgbackup* msgpack packaging zstandard argon2";

const SECTION = `[servers]
comment = what no section of jk_init.ini has
paths = ${[
  ...[
    "/bin/sh",
    "svnserve",
    "hg",
    "borg",
    "python3",
    "mosh-server",
    "unison",
    "unison-2.53",
    "/etc/mercurial",
    "/usr/lib/locale/C.utf8",
  ],
  ...below("/usr/lib/python3.1*", `*.py ${python} ${more}`),
  ...below("/usr/lib/python3/dist-packages", hgAndBorg),
].join(", ")}
`;

// Both exit with 0, whatever their arguments, and are small enough to be uploaded several hundred times.
const PROGRAM = `
#if defined(__x86_64__)
__asm__(".globl _start\\n_start: xor %edi,%edi\\nmov $231,%eax\\nsyscall");
#else
__asm__(".globl _start\\n_start: mov x0, #0\\nmov x8, #94\\nsvc #0");
#endif
`;
const LOADER = process.arch === "arm64" ? "/lib/ld-linux-aarch64.so.1" : "/lib64/ld-linux-x86-64.so.2";

const NAMED = /@(RUN|PATH|PAYLOAD|RAN):([\w.-]+)@/g;
const PAYLOAD = /^@PAYLOAD:([\w.-]+)@$/;
const texts = [
  ...Object.values(WAYS).flatMap(({ files }) => Object.values(files)),
  ...Object.values(HOSTILE).flat(),
  // what a use names, and no file
  "@RUN:popt@ @RUN:unison-client@ @PATH:forced@ @RUN:ssh-rc@",
];
/** The id of each way. */
export const IDS = [
  ...new Set(texts.flatMap((text) => [...text.matchAll(NAMED)].map(([, , id = ""]) => id))),
];

/** The text of a file or line as this account has it; undefined for a file that is a program. */
export function textFor({ name, target }: Account, text: ByteString): ByteString | undefined {
  const uploaded = `/home/${name}/esc`;
  const unlisted = "/usr/lib/unlisted";
  const payload = PAYLOAD.exec(text)?.[1];
  if (payload !== undefined) return target === "uploaded" ? undefined : `#!${unlisted}/${payload}\n`;
  const word = (kind: string, id: string) => {
    if (kind === "RAN") return `/home/${name}/ran/${id}`;
    if (target === "uploaded") return `${uploaded}/${id}`;
    return kind === "PATH" ? `${unlisted}/${id}` : `${LOADER} ${uploaded}/${id}`;
  };
  return text.replace(NAMED, (_, kind, id) => word(kind, id)).replaceAll("@USER@", name);
}

/** Opens the scene; close it with `scene.m.close()`. */
export async function openScene(): Promise<Scene> {
  const m = await openMachine({ under: "ours" });
  m.write("/root/program.c", PROGRAM);
  m.must(["gcc", "-static", "-O1", "-nostdlib", "-s", "-o", "/root/program", "/root/program.c"]);
  makeJail(m);
  const policy = (...lines: ByteString[]) => {
    const executables = `executables = ${[...LISTED, "/usr/lib/openssh/sftp-server"].join(", ")}`;
    const text = ["[DEFAULT]", "paths = /usr/bin, /usr/lib/openssh", executables, ...lines];
    m.write(`${JAIL}/etc/jailkit/jk_lsh.ini`, `${text.join("\n")}\n`);
  };
  policy();
  // The first two are settings that README warns of; with the third a user can have commands of his own.
  const sshd = await m.startSshd({
    config: [
      "AcceptEnv *",
      "PermitUserEnvironment yes",
      "AuthorizedKeysFile .ssh/authorized_keys /run/machine-ssh/authorized",
    ],
  });
  const env = clients(m, sshd);
  return {
    m,
    sshd,
    client: (argv, options = {}) => m.run(argv, { env, cwd: "/root/client", ...options }),
    policy,
    watch: await startWatch(m, JAIL),
    seen: (account, executed) => seen(m, account, executed),
  };
}

function makeJail(m: Machine): void {
  m.mkdir(JAIL);
  m.must(["mount", "-t", "tmpfs", "-o", "mode=0755,size=400m", "tmpfs", JAIL]);
  m.write("/etc/jailkit/jk_init.d/servers.ini", SECTION);
  m.must(["jk_init", "-j", JAIL, "jk_lsh", "sftp", "scp", "rsync", "gitserver", "cvs", "servers"]);
  for (const path of ["tmp", "var/tmp"]) m.mkdir(`${JAIL}/${path}`, { mode: 0o1777 });
  // mosh-server makes a terminal
  m.mkdir(`${JAIL}/dev/pts`);
  m.must(["mount", "-t", "devpts", "-o", "newinstance,ptmxmode=0666", "devpts", `${JAIL}/dev/pts`]);
  m.symlink("pts/ptmx", `${JAIL}/dev/ptmx`);
  m.must(["ln", `${JAIL}/usr/bin/rsync`, `${JAIL}/usr/bin/sync`]);
  m.must(["ln", `${JAIL}/usr/bin/scp`, `${JAIL}/usr/bin/copy`]);
  m.symlink("rsync", `${JAIL}/usr/bin/rsync-3.4`);
  m.symlink("unison-2.53", `${JAIL}/usr/bin/unison-text`);
  m.symlink("git", `${JAIL}/usr/bin/repositories`);
  for (const id of IDS)
    m.write(`${JAIL}/usr/lib/unlisted/${id}`, m.readBytes("/root/program"), { mode: 0o755 });
  for (const { name, limited } of ACCOUNTS) {
    m.must(["jk_addjailuser", "-j", JAIL, ...(limited ? [] : ["-s", "/bin/sh"]), name]);
    m.must(["usermod", "-p", "*", name]);
  }
  // A shell has no PATH of its own to hand on; jk_lsh gives its programs what they need.
  m.write("/etc/jailkit/jk_chrootsh.ini", `[${FREE.name}]\nenv = PATH\n`);
}

/** What the clients find at home, and in their environment. */
function clients(m: Machine, sshd: Sshd): Readonly<Record<string, string>> {
  m.write("/root/client/file", "file\n");
  m.write("/root/cvs-rsh", `#!/bin/sh\nexec ${sshd.command} "$@"\n`, { mode: 0o755 });
  return {
    PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: "/root/client",
    GIT_SSH_COMMAND: sshd.command,
    SVN_SSH: sshd.command,
    CVS_RSH: "/root/cvs-rsh",
    BORG_RSH: sshd.command,
    BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: "yes",
    HGRCPATH: "",
  };
}

function seen(m: Machine, { name }: Account, executed: readonly Executed[]): string[] {
  const home = `/home/${name}`;
  const programs = new Map<ByteString, string>();
  for (const id of IDS)
    for (const folder of [`${home}/esc`, "/usr/lib/unlisted"]) programs.set(`${folder}/${id}`, id);
  for (const { files } of Object.values(WAYS))
    for (const [path, text] of Object.entries(files)) {
      const payload = PAYLOAD.exec(text)?.[1];
      if (payload !== undefined) programs.set(`${home}/${path}`, payload);
    }
  const found = executed.flatMap(({ jailed, file, argv }) => {
    const loaded = file.includes("/ld-linux") ? argv.split(" ")[1] : undefined;
    const id = jailed ? programs.get(loaded ?? file) : undefined;
    return id === undefined ? [] : [id];
  });
  const ran = m.list(`${JAIL}${home}/ran`);
  for (const id of ran) m.remove(`${JAIL}${home}/ran/${id}`);
  return [...new Set([...found, ...ran])].sort();
}
