import type { Machine } from "../machine/machine.ts";
import { openApplyMachine } from "./apply-scene.ts";

export const J = "/srv/customer";
export const HOME = `${J}/home/bob`;
export const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
export const BOB = `[user bob]\njail = ${J}\nshell = /bin/bash\n`;
const MEMORY = "/var/lib/jailkit/declared.json";

/** A machine on which apply is killed at work on an account. */
export async function openKilledMachine() {
  const m: Machine = await openApplyMachine();
  const declare = (text: string) => m.write("/etc/jailkit/jails.d/one.ini", text);
  /** The line of a name in an account file. */
  const lineIn = (file: string, name: string): string =>
    new RegExp(`^${name}:.*$`, "m").exec(m.read(file))?.[0] ?? "";
  const memory = () => JSON.parse(m.read(MEMORY));
  return {
    m,
    declare,
    lineIn,
    uidOf: (name: string) => Number(lineIn("/etc/passwd", name).split(":")[2] || Number.NaN),
    /** What apply remembers. */
    memory,
    /** Ends with nothing but the jail, and with the uids of before free again. */
    prune() {
      declare(JAIL);
      m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
      m.write(MEMORY, JSON.stringify({ ...memory(), kept: [] }));
    },
    /** Removes all that a test has left. */
    clear() {
      for (const name of ["bob", "carl"]) m.run(["userdel", name]);
      for (const path of ["/srv/customer", "/var/lib/jailkit"]) m.remove(path);
    },
  };
}
