/**
 * npm run install-tools -- [--destdir D] [--prefix /usr] [--sysconfdir /etc] [--uninstall]
 *
 * Installs the programs that `npm run build` made, with their owners, modes and the one capability, and manual pages and
 * completions; or removes everything again. Each file appears by rename, complete with its privilege, or not at all.
 */
import * as fs from "node:fs";
import { basename, dirname, join } from "node:path";
import type { ByteString } from "../ffi/bytes.ts";
import { AT_FDCWD, O_RDONLY } from "../ffi/constants.ts";
import { isErrno } from "../ffi/error.ts";
import { close, openAt } from "../ffi/files.ts";
import { CAP_SYS_CHROOT } from "../ffi/process.ts";
import { setXattr } from "../ffi/xattrs.ts";
import { display } from "../src/cli/display.ts";
import { JailkitError } from "../src/cli/error.ts";
import { printError, printLine } from "../src/cli/output.ts";
import { defineTool } from "../src/cli/tool.ts";
import { PROCMAIL, PROCMAIL_WRAPPER } from "../src/enter/procmail/checks.ts";
import { MAKE_ACCOUNT, RELAY_ACCOUNT } from "../src/log-socket/monitor/account.ts";
import { JAILED_GROUP, MAKE_JAILED_GROUP } from "../src/system/account-tools.ts";
import { groupByName, passwdByName } from "../src/system/accounts.ts";
import { completedTools } from "./completion-model.ts";
import { completionFiles } from "./completions.ts";
import {
  at,
  digest,
  linkTo,
  makeDirectory,
  openTree,
  put,
  removeAll,
  replace,
  type Tree,
  writeRecord,
} from "./install/tree.ts";
import { DECLARATIONS, LINKS, PRIVILEGED_FOLDERS, SSHD_EXAMPLE, SSHD_EXAMPLE_PATH } from "./layout.ts";
import { manualPages } from "./man.ts";

// Where distributions have the programs that create accounts.
const SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin";

const root = join(import.meta.dir, "..");
const bin = join(root, "dist/bin");

/** The value of security.capability for `cap_sys_chroot+ep`: capabilities(7), VFS_CAP_REVISION_2, effective. */
function capabilityXattr(): Uint8Array {
  const value = new DataView(new ArrayBuffer(20));
  value.setUint32(0, 0x02000001, true);
  value.setUint32(4, 1 << CAP_SYS_CHROOT, true);
  return new Uint8Array(value.buffer);
}

function places(prefix: string, sysconfdir: string) {
  for (const [option, path] of Object.entries({ prefix, sysconfdir }))
    if (!path.startsWith("/")) throw new JailkitError("usage", 1, `--${option}: ${path} is not absolute`);
  return {
    prefix,
    sbin: join(prefix, "sbin"),
    etc: join(sysconfdir, "jailkit"),
    shells: join(sysconfdir, "shells"),
    /** Creates the account of jk_socketd's relay, and the group of jailed accounts. */
    sysusers: join(prefix, "lib/sysusers.d/jailkit.conf"),
  };
}
type Places = ReturnType<typeof places>;

function grantChroot(path: string): void {
  const fd = openAt(AT_FDCWD, Buffer.from(path).toString("latin1"), O_RDONLY);
  try {
    setXattr(fd, "security.capability", capabilityXattr());
  } catch (error) {
    if (!isErrno(error, "EOPNOTSUPP", "EPERM", "EINVAL")) throw error;
    fs.chmodSync(path, 0o4755);
    printLine(
      `${path}: this file system has no capabilities (${error.reason}); installed setuid root instead, ` +
        "of which the program keeps only CAP_SYS_CHROOT",
    );
  } finally {
    close(fd);
  }
}

/** Installs the default ini files. An edited one stays, and the new default is put beside it. */
function installConfiguration(tree: Tree, { etc }: Places): void {
  const { configuration } = tree.installed;
  for (const name of fs.readdirSync(join(root, "config")).filter((file) => file.endsWith(".ini"))) {
    const wanted = fs.readFileSync(join(root, "config", name), "latin1");
    const path = join(etc, name);
    const target = at(tree, path);
    const present = fs.existsSync(target) ? fs.readFileSync(target, "latin1") : undefined;
    if (present === undefined || (present !== wanted && configuration[name] === digest(present))) {
      replace(tree, path, wanted, 0o644);
    } else if (present !== wanted) {
      put(tree, `${path}.dist`, wanted, 0o644);
      printLine(`${target}: kept unchanged; the new default is ${name}.dist beside it`);
    }
    configuration[name] = digest(wanted);
  }
  makeDirectory(tree, join(etc, DECLARATIONS));
}

function editShells(tree: Tree, { shells }: Places, line: string, wanted: boolean): void {
  const target = at(tree, shells);
  const isThere = fs.existsSync(target);
  const text = isThere ? fs.readFileSync(target, "latin1") : "";
  const lines = text.split("\n").filter((entry, i, all) => i < all.length - 1 || entry !== "");
  if (lines.includes(line) === wanted) return;
  const edited = wanted ? [...lines, line] : lines.filter((entry) => entry !== line);
  if (!isThere) tree.installed.madeShells = true;
  if (edited.length === 0 && tree.installed.madeShells) fs.rmSync(target);
  else replace(tree, shells, edited.map((entry) => `${entry}\n`).join(""), 0o644);
}

/** A privileged program that nobody uses is not installed. One that is present is updated. */
function isWanted(name: string, present: string, withProcmail: boolean): boolean {
  return name !== PROCMAIL_WRAPPER || withProcmail || fs.existsSync(PROCMAIL) || fs.existsSync(present);
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
    if (isThere() === undefined) printLine(`there is no ${what}; create it with: ${make.join(" ")}`);
  }
}

/** Installs manual pages and completions of the installed programs. */
async function installForReaders(tree: Tree, { prefix }: Places, isInstalled: (name: string) => boolean) {
  const share = join(prefix, "share");
  for (const { name, section, text } of await manualPages())
    if (isInstalled(name)) put(tree, join(share, `man/man${section}/${name}.${section}`), text, 0o644);
  for (const file of completionFiles(await completedTools())) {
    const path = join(share, file.path);
    if ("text" in file) put(tree, path, file.text, 0o644);
    else linkTo(tree, join(dirname(path), file.linkTo), path);
  }
}

async function install(tree: Tree, to: Places, shellName: string, withProcmail: boolean): Promise<void> {
  const privileged = Object.entries(PRIVILEGED_FOLDERS).filter(([name, folder]) =>
    isWanted(name, at(tree, join(to.prefix, folder, name)), withProcmail),
  );
  const programs = ["jailkit", ...privileged.map(([name]) => name)];
  const missing = programs.find((name) => !fs.existsSync(join(bin, name)));
  if (missing !== undefined)
    throw new JailkitError("missing", 1, `dist/bin/${missing} is missing: run 'npm run build' first`);
  try {
    const shared = join(to.sbin, "jailkit");
    put(tree, shared, { copyOf: join(bin, "jailkit") }, 0o755);
    for (const name of LINKS) linkTo(tree, shared, join(to.sbin, name));
    for (const [name, folder] of privileged)
      put(tree, join(to.prefix, folder, name), { copyOf: join(bin, name) }, 0o755, grantChroot);
    installConfiguration(tree, to);
    editShells(tree, to, shellName, true);
    put(tree, to.sysusers, fs.readFileSync(join(root, "config/sysusers.conf"), "latin1"), 0o644);
    put(tree, join(to.prefix, SSHD_EXAMPLE_PATH), fs.readFileSync(join(root, SSHD_EXAMPLE), "latin1"), 0o644);
    const isInstalled = (name: string) =>
      !(name in PRIVILEGED_FOLDERS) || privileged.some(([one]) => one === name);
    await installForReaders(tree, to, isInstalled);
  } finally {
    // Also after a failure, for what was installed before it.
    writeRecord(tree);
  }
}

const MOST_NAMED = 20;

/** How an account gets another login shell, by its present one. */
const REMEDIES: Readonly<Record<string, string>> = {
  jk_chrootsh:
    "while jailkit is installed, 'jk_jailuser -m --unjail -s SHELL USER' moves an account out of its jail.",
  jk_lsh: "'usermod -s SHELL USER' changes the shell of an account.",
};

/** The lines of passwd(5) from all name services, by getent(1); without it, from the file. */
function allAccounts(): ByteString {
  if (Bun.which("getent", { PATH: SYSTEM_PATH }) === null) return fs.readFileSync("/etc/passwd", "latin1");
  return Bun.spawnSync(["getent", "passwd"], { env: { PATH: SYSTEM_PATH } }).stdout.toString("latin1");
}

/** Messages about the accounts whose shell is one of these programs (paths). */
function accountsLeft(accounts: ByteString, programs: readonly string[]): string[] {
  const all = accounts.split("\n").map((line) => line.split(":"));
  return programs.flatMap((program) => {
    const names = all.filter((fields) => fields[6] === program).map(([name = ""]) => display(name));
    if (names.length === 0) return [];
    const shell = basename(program);
    const list = names.slice(0, MOST_NAMED);
    if (names.length > list.length) list.push(`and ${names.length - list.length} more`);
    return [
      `these accounts have ${shell} as their shell, and cannot log in without it:\n    ${list.join("\n    ")}`,
      ...(REMEDIES[shell] === undefined ? [] : [REMEDIES[shell]]),
    ];
  });
}

function uninstall(tree: Tree, to: Places, shellName: string): void {
  // As the packages do. Accounts of another root directory belong to that system.
  const shells = [shellName, join(to.sbin, "jk_lsh")].filter((path) => tree.installed.files.includes(path));
  if (tree.destdir === "/" && shells.length > 0)
    for (const message of accountsLeft(allAccounts(), shells)) printError(`install-tools: ${message}`);
  editShells(tree, to, shellName, false);
  for (const [name, recorded] of Object.entries(tree.installed.configuration)) {
    const target = at(tree, join(to.etc, name));
    if (!fs.existsSync(target)) continue;
    if (digest(fs.readFileSync(target, "latin1")) === recorded) fs.rmSync(target);
    else printLine(`${target}: kept, because it was edited`);
  }
  removeAll(tree);
}

/** npm run install-tools. */
export const tool = defineTool({
  name: "install-tools",
  summary: "Install jailkit from dist/bin and config/, or remove it.",
  synopsis: ["[--destdir D] [--prefix DIR] [--sysconfdir DIR] [--with-procmail] [--uninstall]"],
  options: {
    destdir: { value: "D", description: "install below D, as a package builder does" },
    prefix: {
      value: "DIR",
      description: "the tools go into DIR/sbin, jk_uchroot into DIR/bin (default /usr)",
    },
    sysconfdir: { value: "DIR", description: "the configuration goes into DIR/jailkit (default /etc)" },
    withProcmail: { description: `install ${PROCMAIL_WRAPPER} even if there is no ${PROCMAIL}` },
    uninstall: { description: "remove everything that was installed, except edited configuration files" },
  },
  exitStatus: { 0: "done", 1: "not done; the message says why" },
  async run({ options, operands }) {
    if (operands.length > 0)
      throw new JailkitError("usage", 1, `${operands[0]}: unexpected argument; see --help`);
    if (process.getuid?.() !== 0) throw new JailkitError("not-root", 1, "must be run as root");
    const text = (bytes: string | undefined, otherwise: string) =>
      bytes === undefined ? otherwise : Buffer.from(bytes, "latin1").toString("utf8");
    const prefix = text(options.prefix, "/usr");
    const to = places(prefix, text(options.sysconfdir, "/etc"));
    const tree = openTree(text(options.destdir, "/"));
    const shellName = join(prefix, "sbin/jk_chrootsh");
    if (options.uninstall) uninstall(tree, to, shellName);
    else {
      await install(tree, to, shellName, options.withProcmail);
      // Another root directory gets the account from sysusers.d when that system starts.
      if (tree.destdir === "/") makeAccounts(to);
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
