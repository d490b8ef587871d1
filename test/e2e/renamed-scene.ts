import type { Machine } from "../machine/machine.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";
import { installNssSystemd } from "./archives.ts";

export const J = "/srv/l";
export const MEMORY = "/var/lib/jailkit/declared.json";
export const DIRECTORY = "/var/lib/extrausers/passwd";

/** The keys in a home of the jail. */
export const keysOf = (home: string) => `${J}/home/${home}/.ssh/authorized_keys`;
/** The declaration of a user. */
export const section = (name: string, more: string) =>
  `[user ${name}]\njail = ${J}\nshell = /bin/bash\n${more}`;
export const key = (index: 0 | 1) => `authorized_keys = ${KEYS[index]}\n`;
/** A line of noLongerDeclared in what a run with --prune does. */
export const done = (text: string) => `done - ${text} (no longer declared)`;

/** A machine with a directory, in which accounts that apply did not create get other names. */
export class RenamedScene implements Disposable {
  private constructor(readonly m: Machine) {}

  static async open(): Promise<RenamedScene> {
    const m = await openApplyMachine();
    installNssSystemd(m);
    const nss = m.read("/etc/nsswitch.conf");
    m.write("/etc/nsswitch.conf", nss.replace(/^(passwd|group|shadow):.*$/gm, "$1: files extrausers"));
    m.write("/var/lib/extrausers/group", "corp:x:7200:\n");
    return new RenamedScene(m);
  }

  [Symbol.dispose] = () => this.m.close();

  /** Begins with no jail, and nobody in the group `team`. */
  clear(): void {
    const { m } = this;
    for (const name of ["hans", "jo"]) m.run(["userdel", "-f", name]);
    for (const file of [MEMORY, J, "/home/hans", DIRECTORY]) m.remove(file);
    m.must(["sed", "-i", "s/^\\(team:.*:\\).*/\\1/", "/etc/group"]);
    m.write(DIRECTORY, "");
  }

  declare = (text: string) =>
    this.m.write("/etc/jailkit/jails.d/one.ini", `[jail ${J}]\nsections = uidbasics, basicshell\n${text}`);

  /** What a run says that is no longer declared, and still there. */
  told = (...options: string[]) =>
    linesOf(this.m, ...options).summary.noLongerDeclared.map((line) => line.replace(/ \(no longer.*/, ""));

  warned = (...options: string[]) => linesOf(this.m, ...options).summary.warnings;

  /** Changes what is remembered. */
  remember(change: (user: { uid?: number }) => void): void {
    const memory = JSON.parse(this.m.read(MEMORY));
    memory.users.forEach(change);
    this.m.write(MEMORY, JSON.stringify(memory));
  }

  known = () =>
    (JSON.parse(this.m.read(MEMORY)) as { users: { name: string }[] }).users.map(({ name }) => name);

  /** The members of `team`. */
  members = (file = "/etc/group") => /^team:.*:(.*)$/m.exec(this.m.read(file))?.[1];
}
