import {
  type Layout,
  type LogLine,
  type Machine,
  openMachine,
  type RunOptions,
  type RunResult,
  type Syslog,
} from "../machine/machine.ts";
import { J, PROBE, readProbe, writeOutside } from "./probe.ts";

/** A machine with jk_chrootsh and jk_lsh, a jail /srv/j, and the user u whose shell in it is a probe. */
export interface Scene {
  m: Machine;
  log: Syslog;
  uid: number;
  gid: number;
  /** Runs jk_chrootsh as u (or as `options` say). */
  login(args?: readonly string[], options?: RunOptions): RunResult;
  /** Puts jail, accounts and configuration in order again. */
  reset(): void;
  /** The entry of u in the jail. */
  jailPasswd(shell: string, home?: string): void;
  lines(ident?: string): Promise<LogLine[]>;
}

/**
 * Opens a scene; close it with `scene.m.close()`. The limit on processes counts those that a uid has in all machines at
 * once: a test file with such limits has a uid of its own.
 */
export async function openScene(
  privilege: "capability" | "setuid",
  layout?: Layout,
  ownUid = 4001,
): Promise<Scene> {
  const only = ["jk_chrootsh", "jk_lsh"];
  const m = await openMachine({
    under: "ours",
    only,
    privilege,
    ...(layout === undefined ? {} : { layout }),
  });
  const log = await m.startSyslog();
  const { uid, gid } = m.addUser("u", { uid: ownUid, groups: ["games"], shell: "/usr/sbin/jk_chrootsh" });
  m.addUser("other", { uid: 4002, shell: "/usr/sbin/jk_chrootsh" });
  writeOutside(m);
  const passwd = m.read("/etc/passwd").replace(/^u:.*$/m, "");
  const probe = readProbe();

  function jailPasswd(shell: string, home = "/home/u"): void {
    m.write(`${J}/etc/passwd`, `u:x:${uid}:${gid}::${home}:${shell}\n`);
  }
  function reset(): void {
    m.remove(J);
    for (const name of ["dev", "etc/jailkit", "lib", "usr", "bin", "sbin", "home"]) m.mkdir(`${J}/${name}`);
    m.mkdir(`${J}/home/u`, { owner: [uid, gid] });
    m.write(`${J}${PROBE}`, probe, { mode: 0o755 });
    m.write(`${J}/etc/group`, `u:x:${gid}:\n`);
    jailPasswd(PROBE);
    m.write("/etc/passwd", `${passwd.trimEnd()}\nu:x:${uid}:${gid}::${J}/./home/u:/usr/sbin/jk_chrootsh\n`);
    m.remove("/etc/jailkit");
    m.mkdir("/etc/jailkit");
  }
  reset();

  return {
    m,
    log,
    uid,
    gid,
    reset,
    jailPasswd,
    login: (args = [], options = {}) =>
      m.run(["/usr/sbin/jk_chrootsh", ...args], { user: "u", env: { USER: "u" }, ...options }),
    lines: async (ident) => (await log.lines()).filter((line) => ident === undefined || line.ident === ident),
  };
}
