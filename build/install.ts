/**
 * npm run install-tools -- [--destdir D] [--prefix /usr] [--sysconfdir /etc] [--uninstall]
 *
 * Puts what `npm run build` made in its place, with the owners, modes and the one capability that it needs, beside it
 * manual pages and completions, and takes all of it away again. Each file appears by rename, complete with its
 * privilege, or not at all.
 */
import * as fs from "node:fs";
import { basename, dirname, join } from "node:path";
import { AT_FDCWD, O_RDONLY } from "../ffi/constants.ts";
import { isErrno } from "../ffi/error.ts";
import { close, openAt } from "../ffi/files.ts";
import { setXattr } from "../ffi/xattrs.ts";
import { JailkitError } from "../src/cli/error.ts";
import { printError, printLine } from "../src/cli/output.ts";
import { defineTool } from "../src/cli/tool.ts";
import { PROCMAIL, PROCMAIL_WRAPPER } from "../src/enter/procmail/checks.ts";
import { MAKE_ACCOUNT, RELAY_ACCOUNT } from "../src/log-socket/monitor/account.ts";
import { JAILED_GROUP, MAKE_JAILED_GROUP } from "../src/system/account-tools.ts";
import { groupByName, passwdByName } from "../src/system/accounts.ts";
import { completedTools } from "./completion-model.ts";
import { completionFiles } from "./completions.ts";
import { accountsLeft, allAccounts } from "./install/left-accounts.ts";
import {
  at,
  digest,
  linkTo,
  openTree,
  put,
  removeAll,
  replace,
  type Tree,
  writeRecord,
} from "./install/tree.ts";
import { manualPages } from "./man.ts";

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

/**
 * For sshd, to be copied by the administrator. An example is no configuration: Debian's policy (12.6) has it below
 * /usr/share/doc, and rpm does too, while a file in /etc would be one that upgrades ask about.
 */
export const SSHD_EXAMPLE = "config/sshd-jailkit.conf.example";

/** Where that goes, below the prefix. */
export const SSHD_EXAMPLE_PATH = `share/doc/jailkit/examples/${basename(SSHD_EXAMPLE, ".example")}`;

/** The value of security.capability for `cap_sys_chroot+ep`: capabilities(7), VFS_CAP_REVISION_2, effective. */
function capabilityXattr(): Uint8Array {
  const CAP_SYS_CHROOT = 18;
  const value = new DataView(new ArrayBuffer(20));
  value.setUint32(0, 0x02000001, true);
  value.setUint32(4, 1 << CAP_SYS_CHROOT, true);
  return new Uint8Array(value.buffer);
}

/** Where things go: absolute, below the destination. */
interface Places {
  prefix: string;
  sbin: string;
  etc: string;
  shells: string;
  /** What makes the account of jk_socketd's relay, and the group of jailed accounts. */
  sysusers: string;
}

function places(prefix: string, sysconfdir: string): Places {
  for (const [option, path] of Object.entries({ prefix, sysconfdir })) {
    if (!path.startsWith("/"))
      throw new JailkitError("bad-option", 1, `--${option}: ${path} is not absolute`);
  }
  return {
    prefix,
    sbin: join(prefix, "sbin"),
    etc: join(sysconfdir, "jailkit"),
    shells: join(sysconfdir, "shells"),
    sysusers: join(prefix, "lib/sysusers.d/jailkit.conf"),
  };
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

/** Installs the default ini files. One that the administrator edited stays, and the new default lies beside it. */
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
      printLine(`${target}: kept as it is; the new default is ${name}.dist beside it`);
    }
    configuration[name] = digest(wanted);
  }
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

/** A program with a privilege that nobody has a use for is not installed. One that is there is brought up to date. */
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
    if (isThere() === undefined) printLine(`there is no ${what}; make it with: ${make.join(" ")}`);
  }
}

/** Manual pages and completions, but for those of a program that is not installed. */
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
  const privileged = Object.entries(TAKES_PRIVILEGE).filter(([name, folder]) =>
    isWanted(name, at(tree, join(to.prefix, folder, name)), withProcmail),
  );
  const missing = ["jailkit", ...privileged.map(([name]) => name)].filter(
    (name) => !fs.existsSync(join(bin, name)),
  );
  if (missing.length > 0) {
    throw new JailkitError("not-built", 1, `dist/bin/${missing[0]} is missing: run 'npm run build' first`);
  }
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
      !(name in TAKES_PRIVILEGE) || privileged.some(([one]) => one === name);
    await installForReaders(tree, to, isInstalled);
  } finally {
    // Of what was installed before something failed, too.
    writeRecord(tree);
  }
}

function uninstall(tree: Tree, to: Places, shellName: string): void {
  // As the packages do; those of another root directory are of that machine.
  const shells = [shellName, join(to.sbin, "jk_lsh")].filter((path) => tree.installed.files.includes(path));
  if (tree.destdir === "/" && shells.length > 0)
    for (const message of accountsLeft(allAccounts(SYSTEM_PATH), shells))
      printError(`install-tools: ${message}`);
  editShells(tree, to, shellName, false);
  for (const [name, recorded] of Object.entries(tree.installed.configuration)) {
    const target = at(tree, join(to.etc, name));
    if (!fs.existsSync(target)) continue;
    if (digest(fs.readFileSync(target, "latin1")) === recorded) fs.rmSync(target);
    else printLine(`${target}: kept, since it was edited`);
  }
  removeAll(tree);
}

/** npm run install-tools. */
export const tool = defineTool({
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
  async run({ options, operands }) {
    if (operands.length > 0) throw new JailkitError("bad-option", 1, `what is ${operands[0]}? see --help`);
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
      // Of another root directory the account is made when that is started, from the same file.
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
