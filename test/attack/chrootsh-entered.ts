/** A program with the privilege of jk_chrootsh that enters a jail in the same way, and prints what it then is. */
import { args } from "../../ffi/guard.ts";
import { libc } from "../../ffi/libc.ts";
import {
  ambientCapabilities,
  capabilities,
  chroot,
  hasNoNewPrivileges,
  isDumpable,
  supplementaryGroups,
  workingDirectory,
} from "../../ffi/process.ts";
import { describeError } from "../../src/cli/error.ts";
import { printLine } from "../../src/cli/output.ts";
import { enterJail } from "../../src/enter/session.ts";
import { openJailRoot } from "../../src/jail/fs/walk.ts";
import { openSyslog } from "../../src/system/syslog.ts";

const ids = { uid: libc.getuid(), gid: libc.getgid(), groups: supplementaryGroups() };
const hex = (set: bigint) => set.toString(16);

function state(): string {
  const { effective, permitted, inheritable } = capabilities();
  return [effective, permitted, inheritable, ambientCapabilities()].map(hex).join(" ");
}

const wrong = args()[2];
if (wrong === "uid") ids.uid++;
if (wrong === "gid") ids.gid++;
if (wrong === "a group less") ids.groups = ids.groups.slice(1);
if (wrong === "a group more") ids.groups = [...ids.groups, 4242];
if (wrong === "another group") ids.groups = [...ids.groups.slice(1), 4242];
if (wrong === "threads") {
  const busy = new Worker(URL.createObjectURL(new Blob(["setInterval(() => {}, 1000)"])));
  await new Promise((resolve) => busy.addEventListener("open", resolve));
}
printLine(`before ${state()}`);
try {
  enterJail(openJailRoot(args()[1] ?? ""), ids, wrong === "nnp", openSyslog("probe", "auth"));
  printLine(`after ${state()}`);
} catch (error) {
  printLine(`refused ${describeError(error)}`);
  libc._exit((error as { exitStatus?: number }).exitStatus ?? 1);
}
printLine(`dumpable ${isDumpable()}`);
printLine(`directory ${workingDirectory()}`);
printLine(`no_new_privs ${hasNoNewPrivileges()}`);
for (const path of ["/", ".", "/home"]) {
  try {
    chroot(path);
    printLine("chroot works");
  } catch (error) {
    printLine(`chroot ${describeError(error)}`);
  }
}
libc._exit(0);
