/**
 * npm run install-tools -- [--destdir D] [--prefix /usr] [--sysconfdir /etc] [--uninstall]
 *
 * Puts what `npm run build` made in its place, with the owners, modes and the one capability that it needs, and
 * takes it away again. Each file appears by rename, complete with its privilege, or not at all.
 */
import { createHash, randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import { AT_FDCWD, O_RDONLY } from "../ffi/constants.ts";
import { isErrno } from "../ffi/error.ts";
import { close, openAt, setXattr } from "../ffi/files.ts";
import { JailkitError } from "../src/cli/error.ts";
import { printError, printLine } from "../src/cli/output.ts";
import { defineTool } from "../src/cli/tool.ts";
import { PROCMAIL, PROCMAIL_WRAPPER } from "../src/enter/procmail-checks.ts";
import { MAKE_ACCOUNT, RELAY_ACCOUNT } from "../src/log-socket/account.ts";
import { JAILED_GROUP, MAKE_JAILED_GROUP } from "../src/system/account-tools.ts";
import { groupByName, passwdByName } from "../src/system/accounts.ts";

// Where distributions have the programs that make accounts.
const SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin";

const root = join(import.meta.dir, "..");
const bin = join(root, "dist/bin");
// Programs that any user may start, and their folders below the prefix.
export const TAKES_PRIVILEGE: Readonly<Record<string, "bin" | "sbin">> = {
  jk_chrootsh: "sbin",
  jk_procmailwrapper: "sbin",
  jk_uchroot: "bin",
};
// Under these names the one shared executable is linked, beside its own.
export const LINKS = [
  "jk_addjailuser",
  "jk_check",
  "jk_chrootlaunch",
  "jk_cp",
  "jk_init",
  "jk_jailuser",
  "jk_list",
  "jk_lsh",
  "jk_socketd",
  "jk_update",
];

/** The value of security.capability for `cap_sys_chroot+ep`: capabilities(7), VFS_CAP_REVISION_2, effective. */
function capabilityXattr(): Uint8Array {
  const CAP_SYS_CHROOT = 18;
  const value = new DataView(new ArrayBuffer(20));
  value.setUint32(0, 0x02000001, true);
  value.setUint32(4, 1 << CAP_SYS_CHROOT, true);
  return new Uint8Array(value.buffer);
}

interface Places {
  prefix: string;
  sbin: string;
  etc: string;
  shells: string;
  record: string;
  /** What makes the account of jk_socketd's relay, and the group of jailed accounts. */
  sysusers: string;
}

function places(destdir: string, prefix: string, sysconfdir: string): Places {
  for (const [option, path] of Object.entries({ prefix, sysconfdir })) {
    if (!path.startsWith("/"))
      throw new JailkitError("bad-option", 1, `--${option}: ${path} is not absolute`);
  }
  return {
    prefix: join(destdir, prefix),
    sbin: join(destdir, prefix, "sbin"),
    etc: join(destdir, sysconfdir, "jailkit"),
    shells: join(destdir, sysconfdir, "shells"),
    record: join(destdir, "/var/lib/jailkit/installed.json"),
    sysusers: join(destdir, prefix, "lib/sysusers.d/jailkit.conf"),
  };
}

/** Writes a file under a temporary name, gives it its owner, mode and capability, and renames it into place. */
function place(
  target: string,
  content: { copyOf: string } | string,
  mode: number,
  prepare?: (path: string) => void,
) {
  const temporary = join(dirname(target), `.${randomBytes(8).toString("hex")}.new`);
  try {
    if (typeof content === "string") fs.writeFileSync(temporary, content, { mode: 0o600, flag: "wx" });
    else
      fs.copyFileSync(content.copyOf, temporary, fs.constants.COPYFILE_EXCL | fs.constants.COPYFILE_FICLONE);
    fs.chownSync(temporary, 0, 0);
    fs.chmodSync(temporary, mode);
    prepare?.(temporary);
    fs.renameSync(temporary, target);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  }
}

function grantChroot(path: string): void {
  const fd = openAt(AT_FDCWD, Buffer.from(path).toString("latin1"), O_RDONLY);
  try {
    setXattr(fd, "security.capability", capabilityXattr());
  } catch (error) {
    if (!isErrno(error, "EOPNOTSUPP", "EPERM", "EINVAL")) throw error;
    fs.chmodSync(path, 0o4755);
    printLine(
      `${path}: this file system takes no capabilities (${error.reason}); installed setuid root instead, ` +
        "of which the program keeps CAP_SYS_CHROOT alone",
    );
  } finally {
    close(fd);
  }
}

const digest = (text: string) => createHash("sha256").update(text).digest("hex");

function readRecord(path: string): Record<string, string> {
  if (!fs.existsSync(path)) return {};
  return JSON.parse(fs.readFileSync(path, "utf8")).configuration ?? {};
}

/** Installs the default ini files. One that the administrator edited stays, and the new default lies beside it. */
function installConfiguration(at: Places): void {
  fs.mkdirSync(at.etc, { recursive: true, mode: 0o755 });
  const record = readRecord(at.record);
  for (const name of fs.readdirSync(join(root, "config")).filter((file) => file.endsWith(".ini"))) {
    const wanted = fs.readFileSync(join(root, "config", name), "latin1");
    const target = join(at.etc, name);
    const present = fs.existsSync(target) ? fs.readFileSync(target, "latin1") : undefined;
    if (present === undefined || (present !== wanted && record[name] === digest(present))) {
      place(target, wanted, 0o644);
    } else if (present !== wanted) {
      place(`${target}.dist`, wanted, 0o644);
      printLine(`${target}: kept as it is; the new default is ${name}.dist beside it`);
    }
    record[name] = digest(wanted);
  }
  fs.mkdirSync(dirname(dirname(at.record)), { recursive: true, mode: 0o755 });
  fs.mkdirSync(dirname(at.record), { recursive: true, mode: 0o700 });
  place(at.record, `${JSON.stringify({ version: 1, configuration: record }, null, 2)}\n`, 0o600);
}

function editShells(at: Places, line: string, wanted: boolean): void {
  const text = fs.existsSync(at.shells) ? fs.readFileSync(at.shells, "latin1") : "";
  const lines = text.split("\n").filter((entry, i, all) => i < all.length - 1 || entry !== "");
  if (lines.includes(line) === wanted) return;
  const edited = wanted ? [...lines, line] : lines.filter((entry) => entry !== line);
  fs.mkdirSync(dirname(at.shells), { recursive: true });
  place(at.shells, edited.map((entry) => `${entry}\n`).join(""), 0o644);
}

/** A program with a privilege that nobody has a use for is not installed. One that is there is brought up to date. */
function isWanted(name: string, folder: string, at: Places, withProcmail: boolean): boolean {
  if (name !== PROCMAIL_WRAPPER || withProcmail) return true;
  return fs.existsSync(PROCMAIL) || fs.existsSync(join(at.prefix, folder, name));
}

/** The account of jk_socketd's relay and the group of jailed accounts, by systemd-sysusers(8), else by shadow's tools. */
function makeAccounts({ sysusers }: Places): void {
  const wanted = [
    { what: `account ${RELAY_ACCOUNT}`, isThere: () => passwdByName(RELAY_ACCOUNT), make: MAKE_ACCOUNT },
    { what: `group ${JAILED_GROUP}`, isThere: () => groupByName(JAILED_GROUP), make: MAKE_JAILED_GROUP },
  ];
  for (const { what, isThere, make } of wanted) {
    for (const words of [["systemd-sysusers", sysusers], [...make]]) {
      const [program = ""] = words;
      if (isThere() !== undefined || Bun.which(program, { PATH: SYSTEM_PATH }) === null) continue;
      Bun.spawnSync(words, { env: { PATH: SYSTEM_PATH }, stdio: ["ignore", "ignore", "inherit"] });
    }
    if (isThere() === undefined) printLine(`there is no ${what}; make it with: ${make.join(" ")}`);
  }
}

function install(at: Places, shellName: string, withProcmail: boolean): void {
  const privileged = Object.entries(TAKES_PRIVILEGE).filter(([name, folder]) =>
    isWanted(name, folder, at, withProcmail),
  );
  const missing = ["jailkit", ...privileged.map(([name]) => name)].filter(
    (name) => !fs.existsSync(join(bin, name)),
  );
  if (missing.length > 0) {
    throw new JailkitError("not-built", 1, `dist/bin/${missing[0]} is missing: run 'npm run build' first`);
  }
  fs.mkdirSync(at.sbin, { recursive: true, mode: 0o755 });
  place(join(at.sbin, "jailkit"), { copyOf: join(bin, "jailkit") }, 0o755);
  for (const name of LINKS) {
    const temporary = join(at.sbin, `.${randomBytes(8).toString("hex")}.new`);
    fs.linkSync(join(at.sbin, "jailkit"), temporary);
    fs.renameSync(temporary, join(at.sbin, name));
    // rename(2) of two links to one inode does nothing and leaves both.
    fs.rmSync(temporary, { force: true });
  }
  for (const [name, folder] of privileged) {
    fs.mkdirSync(join(at.prefix, folder), { recursive: true, mode: 0o755 });
    place(join(at.prefix, folder, name), { copyOf: join(bin, name) }, 0o755, grantChroot);
  }
  installConfiguration(at);
  editShells(at, shellName, true);
  fs.mkdirSync(dirname(at.sysusers), { recursive: true, mode: 0o755 });
  place(at.sysusers, fs.readFileSync(join(root, "config/sysusers.conf"), "latin1"), 0o644);
}

function uninstall(at: Places, shellName: string): void {
  editShells(at, shellName, false);
  fs.rmSync(at.sysusers, { force: true });
  for (const name of ["jailkit", ...LINKS]) fs.rmSync(join(at.sbin, name), { force: true });
  for (const [name, folder] of Object.entries(TAKES_PRIVILEGE)) {
    fs.rmSync(join(at.prefix, folder, name), { force: true });
  }
  for (const [name, recorded] of Object.entries(readRecord(at.record))) {
    const target = join(at.etc, name);
    fs.rmSync(`${target}.dist`, { force: true });
    if (!fs.existsSync(target)) continue;
    if (digest(fs.readFileSync(target, "latin1")) === recorded) fs.rmSync(target);
    else printLine(`${target}: kept, since it was edited`);
  }
  fs.rmSync(at.record, { force: true });
  for (const directory of [at.etc, join(dirname(at.record), "empty"), dirname(at.record)]) {
    try {
      fs.rmdirSync(directory);
    } catch {
      // Not empty: something of the administrator's is in it.
    }
  }
}

const tool = defineTool({
  name: "install-tools",
  summary: "Install jailkit from dist/bin and config/, or take it away again.",
  synopsis: ["[--destdir D] [--prefix DIR] [--sysconfdir DIR] [--with-procmail] [--uninstall]"],
  options: {
    destdir: { value: "D", description: "put everything below D, as a package builder does" },
    prefix: {
      value: "DIR",
      description: "the tools go into DIR/sbin, jk_uchroot into DIR/bin (default /usr)",
    },
    sysconfdir: { value: "DIR", description: "the configuration goes into DIR/jailkit (default /etc)" },
    withProcmail: {
      description: `install ${PROCMAIL_WRAPPER} where there is no ${PROCMAIL}, too`,
    },
    uninstall: { description: "remove what was installed; edited configuration files stay" },
  },
  exitStatus: { 0: "done", 1: "not done; the message says why" },
  run({ options, operands }) {
    if (operands.length > 0) throw new JailkitError("bad-option", 1, `what is ${operands[0]}? see --help`);
    if (process.getuid?.() !== 0) throw new JailkitError("not-root", 1, "must be run as root");
    const text = (bytes: string | undefined, otherwise: string) =>
      bytes === undefined ? otherwise : Buffer.from(bytes, "latin1").toString("utf8");
    const prefix = text(options.prefix, "/usr");
    const at = places(text(options.destdir, "/"), prefix, text(options.sysconfdir, "/etc"));
    const shellName = join(prefix, "sbin/jk_chrootsh");
    if (options.uninstall) uninstall(at, shellName);
    else {
      install(at, shellName, options.withProcmail);
      // Of another root directory the account is made when that is started, from the same file.
      if (text(options.destdir, "/") === "/") makeAccounts(at);
    }
    return 0;
  },
});

if (import.meta.main) {
  try {
    const given = process.argv.slice(2).map((word) => Buffer.from(word).toString("latin1"));
    process.exit(await tool.main(given));
  } catch (error) {
    printError(`install-tools: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  }
}
