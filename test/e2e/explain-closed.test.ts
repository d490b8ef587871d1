/** What the modes of a directory keep from a user, no key `read` gives: `jailkit explain` says so, as the kernel then does. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const J = "/srv/jail";
const CHROOTSH = "/etc/jailkit/jk_chrootsh.ini";
const LSH = `${J}/etc/jailkit/jk_lsh.ini`;
let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  await m.startSyslog();
  m.must(["jk_init", "-j", J, "basicshell", "uidbasics", "jk_lsh", "rsync"]);
  for (const name of ["u", "v"]) m.addUser(name, { home: `/home/${name}`, createHome: true });
  m.must(["jk_jailuser", "-m", "-s", "/usr/sbin/jk_lsh", "-j", J, "u"]);
  m.must(["jk_jailuser", "-m", "-s", "/bin/bash", "-j", J, "v"]);
});
beforeEach(() => {
  m.remove(`${J}/out`);
  m.must(["sh", "-c", `mkdir -p ${J}/out/data && echo there >${J}/out/data/file && chmod -R a+rX ${J}/out`]);
});
afterAll(() => m?.close());

/** The warnings about paths, with their remedies. */
function warned(...words: string[]) {
  const { steps } = reportOf(explainReportSchema, m.run(["jailkit", "explain", "--json", ...words]).stdout);
  return steps.flatMap(({ name, outcome, message, remedy }) =>
    name === "paths" && outcome === "warned" ? [{ message, remedy: remedy ?? "" }] : [],
  );
}
const login = (user: string, command: string) =>
  m.run(["jk_chrootsh", "-c", command], { user, env: { USER: user } });

const SHUT = [
  ["its own mode", "chmod 700 DIR", `DIR`, "look into", "chmod a+rx"],
  ["one above it", "chmod 700 DIR/..", `${J}/out`, "look into", "chmod a+x"],
  ["no list of it", "chmod 711 DIR", `DIR`, "list", "chmod a+r"],
  ["an ACL", "setfacl -m u:USER:--- DIR", `DIR`, "look into", "setfacl"],
] as const;

describe.each(SHUT)("a directory that is closed by %s", (_, shut, place, what, remedy) => {
  const DIR = `${J}/out/data`;
  const close = (user: string) => m.must(["sh", "-c", shut.replaceAll("DIR", DIR).replace("USER", user)]);

  test.each([
    ["executables = /usr/bin/ls\npaths = /usr/bin\n", "ls /out/data"],
    ["executables = /usr/bin/ls\npaths = /usr/bin\nwrite = none\n", "ls /out/data"],
    ["allow = rsync download\n", "rsync --server --sender -logDtpre.iLsfxCIvu . /out/data/"],
  ])("jk_lsh, %j", (keys, command) => {
    m.write(LSH, `[u]\n${keys}read = /out/data\n`);
    const ask = () => warned("--su", "u", "--", command);
    // A client would go on.
    const isRead = () => !login("u", command).stderr.includes("Permission denied");
    expect(ask()).toEqual([]);
    const isRsync = command.startsWith("rsync");
    if (!isRsync) expect(isRead()).toBe(true);
    close("u");
    const [first, ...more] = ask();
    expect([first?.message, more]).toEqual([
      expect.stringContaining(
        `read = /out/data: ${what === "list" ? "" : "allows nothing: "}the user cannot ${what} ${place.replace("DIR", DIR)}`,
      ),
      [],
    ]);
    if (!isRsync) expect(isRead()).toBe(false);
    expect(first?.remedy).toContain(remedy);
    m.must(["sh", "-c", first?.remedy ?? ""]);
    expect(ask()).toEqual([]);
    if (!isRsync) expect(isRead()).toBe(true);
  });

  test("jk_chrootsh", () => {
    m.write(CHROOTSH, "[v]\nread = /out/data, /etc\nwrite = none\n");
    const ask = () => warned("--su", "v", "--", "ls /out/data");
    expect([ask(), login("v", "ls /out/data").status]).toEqual([[], 0]);
    close("v");
    const [first, ...more] = ask();
    expect([first?.message, more]).toEqual([expect.stringContaining(`the user cannot ${what} `), []]);
    expect(login("v", "ls /out/data").status).not.toBe(0);
    m.must(["sh", "-c", first?.remedy ?? ""]);
    expect([ask(), login("v", "ls /out/data").status]).toEqual([[], 0]);
    m.remove(CHROOTSH);
  });
});

test("a file, a link to a directory, and what is for uploads alone", () => {
  m.must([
    "sh",
    "-c",
    `ln -s out ${J}/link; chmod 640 ${J}/out/data/file; mkdir ${J}/out/in; chmod 733 ${J}/out/in`,
  ]);
  m.write(
    LSH,
    "[u]\nexecutables = /usr/bin/cat\npaths = /usr/bin\nread = /link/data/file\nwrite = /link/in\n",
  );
  const ask = () => warned("--su", "u", "--", "cat /out/data/file");
  expect(ask().map(({ message }) => message)).toEqual([
    `read = /link/data/file: allows nothing: the user cannot read ${J}/out/data/file`,
  ]);
  expect(login("u", "cat /out/data/file").status).toBe(1);
  m.must(["sh", "-c", ask()[0]?.remedy ?? ""]);
  expect([ask(), login("u", "cat /out/data/file").stdout]).toEqual([[], "there\n"]);
  m.must(["chmod", "700", `${J}/out/in`]);
  expect(ask().map(({ message, remedy }) => [message, remedy])).toEqual([
    [`write = /link/in: allows nothing: the user cannot look into ${J}/out/in`, `chmod a+x ${J}/out/in`],
  ]);
  m.remove(`${J}/link`);
});

test("who asks about oneself is told, too", () => {
  m.write(LSH, "[u]\nexecutables = /usr/bin/ls\npaths = /usr/bin\nread = /out/data\n");
  m.must(["chmod", "700", `${J}/out/data`]);
  const { stdout } = m.run(["jailkit", "explain", "--json", "--su", "u", "--", "ls /out/data"], {
    user: "u",
  });
  expect(stdout).toContain(`the user cannot look into ${J}/out/data`);
});
