import { expect } from "bun:test";
import { type Programs, type Result, run, USER } from "../fixtures/guard/build.ts";

/** CAP_SYS_CHROOT as report.ts prints sets of capabilities. */
export const CHROOT = "40000";

/** Sets file capabilities. */
export function setCapability(path: string, text = "cap_sys_chroot+ep"): void {
  const result = run(["setcap", text, path], { env: { PATH: "/usr/sbin:/sbin" } });
  expect(result).toEqual({ status: 0, stdout: "", stderr: "" });
}

/** Returns a function that starts a program as an ordinary user, with settings of the launcher. */
export function launcherOf(programs: () => Programs, usual?: Record<string, string>) {
  return (settings: string[], program: string, words: string[] = [], env = usual): Result =>
    run(
      [programs().launcher, "user", String(USER), ...settings, "--", program, ...words],
      env === undefined ? {} : { env },
    );
}

/** What report.ts printed; it must have ended well. */
export function guardReport({ status, stdout, stderr }: Result) {
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return JSON.parse(stdout);
}

/** The report of a program that any user may start: the user's ids, and CAP_SYS_CHROOT alone. */
export const PRIVILEGED_REPORT = {
  privileged: true,
  keptChroot: true,
  caller: { uid: USER, euid: USER, gid: USER, egid: USER },
  userIds: [USER, USER, USER],
  groupIds: [USER, USER, USER],
  groups: [USER, 61235],
  effective: CHROOT,
  permitted: CHROOT,
  inheritable: "0",
  ambient: "0",
  dumpable: false,
  onlyUser: true,
  singleThreaded: true,
};
