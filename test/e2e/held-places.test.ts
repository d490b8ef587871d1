/** An account has its new home before that has its place: nobody else takes the place, and what fails then is said and healed. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(240_000);

const J = "/srv/jail";
let m: Machine;

const sh = (line: string) => m.must(["sh", "-ec", line]).stdout;

beforeEach(async () => {
  m = await openApplyMachine();
  m.must(["jk_init", "-j", J, "uidbasics", "basicshell"]);
  m.addUser("mallory", { home: "/home/mallory", createHome: true });
});
afterEach(() => m.close());

/** Calls `script` when an account is to be changed, `before` or after that: REAL is usermod(8). */
function hooked(script: string) {
  sh("mv /usr/sbin/usermod /usr/sbin/usermod.real");
  const body = `#!/bin/sh\nREAL=/usr/sbin/usermod.real\n${script}\n`;
  m.write("/usr/sbin/usermod", body, { mode: 0o755 });
}
const unhook = () => sh("mv -f /usr/sbin/usermod.real /usr/sbin/usermod");

function eve(home: string) {
  m.addUser("eve", { home, createHome: true, shell: "/bin/bash" });
  sh(`echo thesis >${home}/file; chown eve ${home}/file`);
}
const INTO = ["jk_jailuser", "-n", "-m", "-s", "/bin/bash", "-j", J, "eve"];
const OUT = ["jk_jailuser", "--unjail", "-n", "-m", "-s", "/bin/bash", "eve"];
const homeOf = () => sh("getent passwd eve | cut -d: -f6").trim();

test("below a sticky directory nobody else takes the place of a home, in a jail or outside", () => {
  sh("mkdir -m 1777 /scratch");
  eve("/scratch/eve");
  const take = (place: string) =>
    hooked(
      `"$REAL" "$@"; s=$?; su mallory -s /bin/sh -c 'mkdir ${place}; touch ${place}/x' 2>/root/said; exit $s`,
    );
  for (const [command, place] of [
    [INTO, `${J}/scratch/eve`],
    [OUT, "/scratch/eve"],
  ] as const) {
    // Others can write there, too.
    sh(`mkdir -p ${J}/scratch; chmod 1777 ${J}/scratch`);
    take(place);
    expect(m.run(command)).toMatchObject({ status: 0 });
    unhook();
    expect(m.read("/root/said")).toContain("File exists");
    expect([homeOf().replace("/./", "/"), sh(`stat -c %U ${place}; cat ${place}/file`)]).toEqual([
      place,
      "eve\nthesis\n",
    ]);
  }
});

for (const way of ["without a copy", "with a copy"] as const)
  test(`a home ${way} that gets no place, and an account that cannot be set back: it is said, nothing is lost, and it is healed`, () => {
    if (way === "with a copy") sh(`mkdir ${J}/home; mount -t tmpfs -o mode=755 tmpfs ${J}/home`);
    eve("/home/eve");
    const place = `${J}/home/eve`;
    // Only root can do that; usermod(8) changes no account that has a process.
    const take = way === "with a copy" ? `chown mallory ${place}` : `touch ${place}/x`;
    hooked(`[ -e /root/held ] || { "$REAL" "$@"; s=$?; ${take}; touch /root/held; exit $s; }\nexit 8`);
    const { status, stderr } = m.run(INTO);
    unhook();
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(
        /'\/srv\/jail\/home\/eve' exists already: .*; and the account could not be set back: .*; its home is in '.*\/home'; what moves it to its place: jk_check --fix\n$/,
      ),
    ]);
    const where = /its home is in '(.*?)'/.exec(stderr)?.[1] ?? "";
    expect([homeOf(), sh(`cat ${where}/file`)]).toEqual([`${J}/./home/eve`, "thesis\n"]);
    // The place is taken still.
    expect(m.run(["jk_check", "--fix"]).stdout).toContain(
      `'${place}' exists already: keep it under another name: `,
    );
    sh(`rm -r ${place}; jk_check --fix || true`);
    expect([sh(`stat -c %U ${place}; cat ${place}/file`), sh("ls -A /home")]).toEqual([
      "eve\nthesis\n",
      "mallory\n",
    ]);
  });

for (const way of ["without a copy", "with a copy"] as const)
  test(`a home ${way} that a killed run has left comes to its place in the jail, not to where a link of the jail leads on this machine`, () => {
    sh(`mkdir -p ${J}/data /data; rm -rf ${J}/home; ln -s /data ${J}/home`);
    if (way === "with a copy") sh(`mount -t tmpfs -o mode=755 tmpfs ${J}/data`);
    eve("/home/eve");
    hooked('"$REAL" "$@"; kill -KILL $PPID');
    expect(m.run(INTO).signal).toBe("SIGKILL");
    unhook();
    const told = () =>
      reportOf(
        REPORT_SCHEMAS["jailkit status"],
        m.run(["jailkit", "status", "--json"]).stdout,
      ).findings.flatMap(({ kind, message }) => (kind === "connections" ? [] : message));
    expect(told()).toEqual([expect.stringContaining(`${J}/data/eve, the home of eve, is in `)]);
    m.run(["jk_check", "--fix"]);
    expect([sh(`cat ${J}/data/eve/file`), sh("ls -A /data /home")]).toEqual([
      "thesis\n",
      "/data:\n\n/home:\nmallory\n",
    ]);
    expect(told()).toEqual([]);
  });
