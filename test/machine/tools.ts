import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ByteString } from "../../ffi/bytes.ts";
import { isErrno } from "../../ffi/error.ts";
import type { BareMachine } from "./bare.ts";
import { checkout } from "./helper.ts";

/** The programs of this project, or those of Debian's package of jailkit 2.23. */
export type Implementation = "ours" | "debian";

/** The implementation for tests that can run against both: JK_UNDER_TEST, by default "ours". */
export const underTest: Implementation = implementation(Bun.env.JK_UNDER_TEST);

function implementation(name: string | undefined): Implementation {
  if (name === undefined || name === "" || name === "ours") return "ours";
  if (name === "debian") return "debian";
  throw new Error(`JK_UNDER_TEST is '${name}', neither 'ours' nor 'debian'`);
}

/** Each program a file of its own, or what packages install: one file under many names, and native entries. */
export type Layout = "standalone" | "package";

/** The default layout of machines: JK_LAYOUT, by default "standalone". */
export const defaultLayout: Layout = Bun.env.JK_LAYOUT === "package" ? "package" : "standalone";

export interface InstallOptions {
  layout?: Layout;
  /** How programs get the right to chroot; by default a file capability. */
  privilege?: "capability" | "setuid";
  /** Only these programs of ours; by default all. */
  only?: readonly string[];
}

const privileged = ["jk_chrootsh", "jk_uchroot", "jk_procmailwrapper"];
const bin = join(checkout, "dist/bin");
const entries = join(checkout, "dist/entry");

const isBuilt = (name: string) =>
  existsSync(join(bin, name)) && (!privileged.includes(name) || existsSync(join(entries, name)));

/** The folder of the built programs; what is missing of `names` (all, if none are named) is built first. */
export function ensureBuilt(names: readonly string[] = toolNames()): ByteString {
  const missing = names.filter((name) => !isBuilt(name));
  if (missing.length > 0) {
    const script = join(checkout, "build/compile.ts");
    const built = Bun.spawnSync([process.execPath, script, ...missing], { cwd: checkout, stdin: "ignore" });
    if (!built.success)
      throw new Error(`build/compile.ts ${missing.join(" ")}: ${built.stderr}${built.stdout}`);
  }
  return bin;
}

function toolNames(): string[] {
  return readdirSync(join(checkout, "src/tools"))
    .filter((name) => /^(?:jk_\w+|jailkit)\.ts$/.test(name))
    .map((name) => name.slice(0, -3));
}

/**
 * Puts an implementation into a machine: "debian" is the package as the host has it; "ours" takes its place with
 * the programs of dist/bin and the files of config/. Either way jk_chrootsh stands in /etc/shells.
 */
export function installTools(
  machine: BareMachine,
  which: Implementation,
  options: InstallOptions = {},
): void {
  const shells = machine.exists("/etc/shells") ? machine.read("/etc/shells") : "";
  if (!shells.includes("/jk_chrootsh\n")) machine.write("/etc/shells", `${shells}/usr/sbin/jk_chrootsh\n`);
  if (which === "debian") {
    if (!machine.exists("/usr/share/jailkit/jk_lib.py"))
      throw new Error("jailkit 2.23 is not installed: apt-get install jailkit");
    return;
  }
  const names = options.only ?? toolNames();
  const layout = options.layout ?? defaultLayout;
  ensureBuilt(layout === "package" ? ["jailkit", ...names] : names);
  for (const folder of ["/usr/sbin", "/usr/bin"])
    for (const name of machine.list(folder)) if (name.startsWith("jk_")) machine.remove(`${folder}/${name}`);
  machine.remove("/usr/share/jailkit");
  // Nobody reads what has the privilege of an entry: see the mode in build/package/stage.ts.
  if (layout === "package") installFile(machine, join(bin, "jailkit"), "/usr/sbin/jailkit", 0o711);
  for (const name of names) {
    const target = targetOf(name);
    if (layout === "standalone") installFile(machine, join(bin, name), target);
    else if (privileged.includes(name)) installFile(machine, join(entries, name), target);
    else if (name !== "jailkit") machine.link("/usr/sbin/jailkit", target);
  }
  grant(
    machine,
    privileged.filter((name) => names.includes(name)).map(targetOf),
    options.privilege ?? "capability",
  );
  // What jailkit reports about cron and at has tests of its own.
  for (const jobs of ["cron", "at"]) machine.write(`/etc/${jobs}.allow`, "root\n");
  machine.remove("/etc/jailkit");
  machine.mkdir("/etc/jailkit");
  const config = join(checkout, "config");
  for (const name of existsSync(config) ? readdirSync(config) : [])
    if (name.endsWith(".ini")) machine.write(`/etc/jailkit/${name}`, readFileSync(join(config, name)));
}

const targetOf = (name: string) => `${name === "jk_uchroot" ? "/usr/bin" : "/usr/sbin"}/${name}`;

// Without a program: a machine is opened for most tests, and each program costs it two milliseconds.
function installFile(machine: BareMachine, source: string, target: ByteString, mode = 0o755): void {
  machine.remove(target);
  try {
    // A link costs nothing: the overlay copies the inode alone.
    machine.link(source, target);
  } catch (error) {
    // The checkout is on a mount of its own.
    if (!isErrno(error, "EXDEV")) throw error;
    machine.must(["cp", source, target]);
  }
  machine.chown(target, 0, 0);
  machine.chmod(target, mode);
}

function grant(
  machine: BareMachine,
  targets: readonly ByteString[],
  privilege: "capability" | "setuid",
): void {
  if (privilege === "setuid") for (const target of targets) machine.chmod(target, 0o4755);
  else if (targets.length > 0)
    machine.must(["setcap", ...targets.flatMap((target) => ["cap_sys_chroot+ep", target])]);
}
