/** An account has its new home before that has its place: nobody else takes the place, and what fails then is said and healed. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import { withCalls } from "../machine/calls.ts";
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
    // What is there may be mallory's home.
    expect(m.run(["jk_check", "--fix"]).stdout).toMatch(
      /'\/srv\/jail\/home\/eve' exists already: (?:if that is the home of 'mallory', .*; if not, )?keep it under another name: /,
    );
    sh(`rm -r ${place}; jk_check --fix || true`);
    expect([sh(`stat -c %U ${place}; cat ${place}/file`), sh("ls -A /home")]).toEqual([
      "eve\nthesis\n",
      "mallory\n",
    ]);
  });

for (const way of ["without a copy", "with a copy"] as const)
  test(`a home ${way} that a killed run has left comes to its place in the jail, not to where a link of the jail leads on this machine`, () => {
    sh(`mkdir -p ${J}/data; rm -rf ${J}/home; ln -s /data ${J}/home`);
    if (way === "with a copy") sh(`mount -t tmpfs -o mode=755 tmpfs ${J}/data`);
    eve("/home/eve");
    hooked('"$REAL" "$@"; kill -KILL $PPID');
    expect(m.run(INTO).signal).toBe("SIGKILL");
    unhook();
    // With one there before, the account does not come into the jail.
    sh("mkdir /data");
    const LINK = ["two-homes", expect.stringContaining(`'/data/eve', and the jail to '${J}/data/eve'`)];
    const told = () => findings().map(({ kind, message }) => [kind, message]);
    const [link, home, ...more] = told();
    expect([link, home?.[1], more]).toEqual([
      LINK,
      expect.stringContaining(`${J}/data/eve, the home of eve, is in `),
      [],
    ]);
    m.run(["jk_check", "--fix"]);
    expect([sh(`cat ${J}/data/eve/file`), sh("ls -A /data /home")]).toEqual([
      "thesis\n",
      "/data:\n\n/home:\nmallory\n",
    ]);
    expect(told()).toEqual([LINK]);
  });

const findings = () =>
  reportOf(REPORT_SCHEMAS["jailkit status"], m.run(["jailkit", "status", "--json"]).stdout).findings.filter(
    ({ kind }) => kind !== "connections",
  );

for (const way of ["without a copy", "with a copy"] as const)
  for (const who of ["status", "jk_check", "jk_check of the jail", "apply", "explain"] as const)
    test(`a home ${way} of which no note tells any more: what ${who} says of the empty place moves it there`, () => {
      if (way === "with a copy") sh(`mkdir ${J}/home; mount -t tmpfs -o mode=755 tmpfs ${J}/home`);
      eve("/home/eve");
      hooked('"$REAL" "$@"; kill -KILL $PPID');
      expect(m.run(INTO).signal).toBe("SIGKILL");
      unhook();
      const place = `${J}/home/eve`;
      sh("rm /var/lib/jailkit/moves/*; rm -r /run/jailkit");
      expect(sh(`stat -c '%U %a' ${place}; ls -A ${place}`)).toBe("root 700\n");
      m.write("/etc/jailkit/jails.d/one.ini", `[jail ${J}]\n[user eve]\njail = ${J}\nshell = /bin/bash\n`);
      const said = {
        status: () => JSON.stringify(findings()),
        jk_check: () => m.run(["jk_check"]).stdout,
        "jk_check of the jail": () => m.run(["jk_check", J]).stdout,
        apply: () => m.run(["jailkit", "apply"]).stderr,
        explain: () => m.run(["jailkit", "explain", "eve"]).stdout,
      }[who]();
      // A run mends what is aside, and what it knows of a copy is where the home is.
      if (who !== "apply" || way === "with a copy") {
        const [command = "false"] = /jk_jailuser -n -m -j \/srv\/jail eve/.exec(said) ?? [];
        m.must(command.split(" "));
      }
      expect(said).not.toContain("chown");
      expect(sh(`stat -c %U ${place}; cat ${place}/file`)).toBe("eve\nthesis\n");
      expect([m.exists("/home/eve"), m.exists("/home/.jk-move-eve"), findings()]).toEqual([false, false, []]);
    });

for (const way of ["without a copy", "with a copy"] as const)
  test(`a home ${way} whose account usermod changes, and fails, and cannot set back: what status says moves it`, () => {
    if (way === "with a copy") sh(`mkdir ${J}/home; mount -t tmpfs -o mode=755 tmpfs ${J}/home`);
    eve("/home/eve");
    hooked('[ -e /root/once ] && exit 8; touch /root/once; "$REAL" "$@"; exit 10');
    expect(m.run(INTO).stderr).toContain("could not be set back");
    unhook();
    expect([homeOf(), sh("cat /home/eve/file; ls -A /home | sort")]).toEqual([
      `${J}/./home/eve`,
      "thesis\neve\nmallory\n",
    ]);
    for (let step = 0; step < 3; step++)
      for (const { command } of findings().slice(0, 1)) m.run((command ?? "false").split(" "));
    expect([findings(), sh(`stat -c %U ${J}/home/eve; cat ${J}/home/eve/file; ls -A /home`)]).toEqual([
      [],
      "eve\nthesis\nmallory\n",
    ]);
  });

test("a directory of root with something in it is no such place: nothing is changed", () => {
  eve("/home/eve");
  sh(`mkdir -p ${J}/home; mkdir -m 700 ${J}/home/eve; touch ${J}/home/eve/x`);
  hooked("touch /root/called");
  expect(m.run(INTO)).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("/home/eve' exists already: "),
  });
  expect([m.exists("/root/called"), sh(`ls ${J}/home/eve; cat /home/eve/file`)]).toEqual([
    false,
    "x\nthesis\n",
  ]);
});

test("where a move cannot be written down, nothing is moved, and what is said heals", () => {
  eve("/home/eve");
  const notes = "/var/lib/jailkit/moves";
  const before = () => [homeOf(), sh("cat /home/eve/file; stat -c %a /home/eve"), m.exists(`${J}/home/eve`)];
  const was = before();
  sh(
    `mkdir -p -m 700 ${notes}; mount -t tmpfs -o size=4k,mode=700 none ${notes}; head -c 4096 /dev/zero >${notes}/x.files`,
  );
  expect(m.run(INTO)).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(
      /^jk_jailuser: \/var\/lib\/jailkit\/moves: its file system is full.*; make room/m,
    ),
  });
  expect([before(), sh(`ls ${notes}`)]).toEqual([was, "x.files\n"]);
  sh(`rm ${notes}/x.files; mount -o remount,ro ${notes}`);
  expect(m.run(INTO).stderr).toMatch(
    /^jk_jailuser: \/var\/lib\/jailkit\/moves: its file system is read-only/m,
  );
  sh(`umount ${notes}; chmod 755 ${notes}`);
  const { status, stderr } = m.run(INTO);
  expect([status, before()]).toEqual([1, was]);
  const [remedy = "false"] = /chown root:root .*$/m.exec(stderr) ?? [];
  sh(remedy);
  m.must(INTO);
  expect(sh(`cat ${J}/home/eve/file`)).toBe("thesis\n");
});

test("that a home has its new place, or its old one again, is on the disk before its note goes", () => {
  eve("/home/eve");
  const order = ['rename\\w*\\(\\d+, "home", \\d+, "eve"', "fsync\\(", 'unlinkat\\(\\d+, "[0-9a-f]{32}"'];
  const moved = () => {
    const { status, inOrder } = withCalls(m, "fsync,renameat2,renameat,rename,unlinkat", INTO);
    return [status, inOrder(...order)];
  };
  hooked("exit 8");
  expect(moved()).toEqual([1, true]);
  unhook();
  expect(moved()).toEqual([0, true]);
});
