/**
 * What sshd itself starts for a jailed user, outside the jail: /bin/sh for ~/.ssh/rc, with the user's variables if its
 * configuration accepts them. Then the remedy that jk_jailuser and README name.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { parseSshdSettings } from "../../src/system/sshd/settings.ts";
import { sshdWarnings } from "../../src/system/sshd/warnings.ts";
import { type Machine, openMachine } from "../machine/machine.ts";

const JAIL = "/home/sftproot";
const LIBRARY = `
#include <fcntl.h>
__attribute__((constructor)) static void run(void) { open("/tmp/outside", O_CREAT | O_WRONLY, 0644); }
`;

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.mkdir(JAIL);
  m.must(["jk_init", "-j", JAIL, "jk_lsh", "rsync"]);
  for (const user of ["rc", "norc"]) {
    m.must(["jk_addjailuser", "-j", JAIL, user]);
    m.must(["usermod", "-p", "*", user]);
    m.mkdir(`${JAIL}/home/${user}/.ssh`);
    m.write(`${JAIL}/home/${user}/.ssh/rc`, "\n");
  }
  m.write(`${JAIL}/etc/jailkit/jk_lsh.ini`, "[DEFAULT]\nexecutables = /usr/bin/rsync\n");
  m.write("/root/library.c", LIBRARY);
  m.must(["gcc", "-shared", "-fPIC", "-o", `${JAIL}/home/library.so`, "/root/library.c"]);
});
afterAll(() => m?.close());

test("sshd loads a library of the user's outside the jail, unless PermitUserRC is off", async () => {
  const remedy = /'(.*)' in a block '(.*)' of/.exec(warningsFor("norc", "acceptenv *\n")[0]?.remedy ?? "");
  const [, setting = "", block = ""] = remedy ?? [];
  const sshd = await m.startSshd({ config: ["AcceptEnv *", block, setting] });
  const login = (user: string) => {
    m.remove("/tmp/outside");
    const options = [...sshd.clientOptions, "-o", `SetEnv=LD_PRELOAD=${JAIL}/home/library.so`];
    m.run(["ssh", ...options, `${user}@127.0.0.1`, "/usr/bin/rsync --server"]);
    return m.stat("/tmp/outside")?.uid;
  };
  expect(login("rc")).toBe(m.ids("rc").uid);
  expect(login("norc")).toBeUndefined();
  const told = (user: string) => {
    const where = `user=${user},host=localhost,addr=127.0.0.1`;
    const words = ["/usr/sbin/sshd", "-T", "-C", where];
    return warningsFor(user, m.must(words).stdout).map(({ code }) => code);
  };
  expect(told("rc")).toContain("user-rc");
  expect(told("norc")).not.toContain("user-rc");
});

function warningsFor(user: string, settings: string) {
  return sshdWarnings(parseSshdSettings(settings), user);
}
