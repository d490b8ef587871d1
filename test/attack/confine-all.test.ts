/**
 * Everything that the keys of src/config/schemas/confine.ts confine, at once, in each kind of session and both layouts: the
 * lists of confine-attempts.ts, tried by one process of a session; and what older kernels do of it.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { ALL, FAILS, LOCAL, NETWORK, NONE, SCRIPTS, WORKS } from "./confine-attempts.ts";
import {
  type ConfineScene,
  J,
  type Keys,
  KINDS,
  type Kind,
  OFF,
  openConfineScene,
  outcomes,
  UID,
} from "./confine-scene.ts";
import { PROGRAMS } from "./session-programs.ts";

setDefaultTimeout(120_000);

const HOME = "/home/u/in";
const PLACE = "/usr/lib/attempts";
const LOADER = process.arch === "arm64" ? "/lib/ld-linux-aarch64.so.1" : "/lib64/ld-linux-x86-64.so.2";
const { bash, coreutils, git, rsync, python, perl, vim } = PROGRAMS;
const RUN = { bash, coreutils, git, rsync, python, perl, vim, ...SCRIPTS };
const RUNS = Object.keys(RUN).map((name) => `execute:${PLACE}/${name}`);

/** Puts the host's programs into the jail, as a live jail has them, and devices. */
function furnish({ m, probe }: ConfineScene): void {
  for (const [name, text = ""] of Object.entries(RUN)) {
    const lines = [
      "#!/bin/bash",
      `export HOME=${HOME}/${name} PATH=/usr/bin:/bin LANG=C.UTF-8 TERM=dumb USER=u SHELL=/bin/bash`,
      `mkdir -p $HOME && cd && exec >../${name}.out 2>&1`,
      text,
    ];
    m.write(`${PLACE}/${name}`, `${lines.join("\n")}\n`, { mode: 0o755 });
  }
  m.write(`${PLACE}/setuid`, probe, { mode: 0o4755 });
  m.write(`${PLACE}/setgid`, probe, { mode: 0o2755 });
  m.write(`${PLACE}/capable`, probe, { mode: 0o755 });
  m.must(["setcap", "cap_chown+ep", `${PLACE}/capable`]);
  m.write("/usr/bin/procmail", probe, { mode: 0o755 });
  for (const name of ["usr", "proc", "dev/pts", "dev/shm"]) m.mkdir(`${J}/${name}`);
  for (const name of ["bin", "sbin", "lib", "lib64"]) m.symlink(`usr/${name}`, `${J}/${name}`);
  m.must(["mount", "--bind", "/usr", `${J}/usr`]);
  m.must(["mount", "-t", "proc", "-o", "ro", "proc", `${J}/proc`]);
  m.must(["mount", "-t", "devpts", "-o", "newinstance,ptmxmode=0666", "devpts", `${J}/dev/pts`]);
  m.symlink("pts/ptmx", `${J}/dev/ptmx`);
  m.must(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", `${J}/dev/shm`]);
  m.symlink("/proc/self/fd", `${J}/dev/fd`);
  const devices = { null: [1, 3], zero: [1, 5], full: [1, 7], random: [1, 8], urandom: [1, 9], tty: [5, 0] };
  for (const [name, numbers] of Object.entries(devices))
    m.must(["mknod", "-m", "666", `${J}/dev/${name}`, "c", ...numbers.map(String)]);
  m.write(`${J}/dev/log`, "");
  m.must(["mount", "--bind", "/dev/log", `${J}/dev/log`]);
  m.write("/root/dynamic.c", "int main(void) { return 0; }\n");
  m.must(["gcc", "-o", "/root/dynamic", "/root/dynamic.c"]);
}

/** The attempts of a table. */
const second = (table: readonly (readonly [string, string, ...unknown[]])[]) =>
  table.map(([, attempt]) => attempt);

/** The files that attempts are about. */
function fill({ m, probe, fill }: ConfineScene): void {
  fill();
  const owner = [UID, UID] as const;
  for (const name of ["1", "2", "in/1", "in/2"]) m.write(`${J}/home/u/${name}`, "text", { owner });
  m.write(`${J}${HOME}/program`, probe, { owner, mode: 0o755 });
  m.write(`${J}${HOME}/script`, "#!/bin/sh\n", { owner, mode: 0o755 });
  m.write(`${J}${HOME}/dynamic`, m.readBytes("/root/dynamic"), { owner, mode: 0o755 });
  m.symlink("program", `${J}${HOME}/link`);
  // vim is a link through it.
  m.must(["cp", "-a", "/etc/alternatives", `${J}/etc/`]);
  m.must(["mknod", "-m", "666", `${J}/data/random`, "c", "1", "9"]);
}

describe.each(["standalone", "package"] as const)("%s", (layout) => {
  let scene: ConfineScene;
  const tried = (kind: Kind, keys: Keys, attempts: readonly string[], lie?: readonly string[]) => {
    const filled = attempts.map((one) => one.replace("@OUTSIDE", scene.outside));
    const result = scene.session(kind, { ...OFF[kind], ...keys }, filled, lie);
    const seen = outcomes(result);
    return { ...result, seen: attempts.map((_, i) => seen[filled[i] ?? ""] ?? result.stderr) };
  };

  beforeAll(async () => {
    scene = await openConfineScene(layout);
    furnish(scene);
  });
  afterAll(() => scene?.m.close());
  beforeEach(() => fill(scene));

  /** What the programs printed, without size and time of a file that is not the same in all sessions. */
  const printed = () =>
    Object.keys(RUN).map((name) => [
      name,
      scene.m.read(`${J}${HOME}/${name}.out`).replace(/\d+ \w+ +\d+ \d\d:\d\d (?=\/etc\/passwd)/, ""),
    ]);
  let printedWithoutKeys: ReturnType<typeof printed> | undefined;
  const expectedToPrint = () => {
    if (printedWithoutKeys === undefined) {
      tried("jk_chrootsh", {}, RUNS);
      printedWithoutKeys = printed();
      fill(scene);
    }
    return printedWithoutKeys;
  };

  describe("without keys", () => {
    test("what works when confined works", () => {
      const works = [...WORKS.map(([, attempt]) => attempt), ...RUNS];
      const { seen } = tried("jk_chrootsh", {}, works);
      expect(works.map((one, i) => [one, seen[i]])).toEqual(works.map((one) => [one, "works"]));
    });

    test("what fails when confined works, unless other rules stop it", () => {
      const { seen } = tried("jk_chrootsh", {}, second(FAILS));
      const wrong = FAILS.flatMap(([what, attempt, , free], i) =>
        free === "?" || (free === "works") === (seen[i] === "works") ? [] : [[what, attempt, seen[i]]],
      );
      expect(wrong).toEqual([]);
    });
  });

  describe.each(KINDS)("%s", (kind) => {
    test("what must fail", () => {
      const { seen } = tried(kind, ALL, second(FAILS));
      expect(FAILS.map(([what], i) => [what, seen[i]])).toEqual(FAILS.map(([what, , held]) => [what, held]));
    });

    test("what must work", () => {
      const { seen } = tried(kind, ALL, second(WORKS));
      expect(WORKS.map(([what], i) => [what, seen[i]])).toEqual(WORKS.map(([what]) => [what, "works"]));
    });

    test("programs that must work", () => {
      const expected = expectedToPrint();
      const { seen } = tried(kind, ALL, RUNS);
      expect(RUNS.map((one, i) => [one, seen[i]])).toEqual(RUNS.map((one) => [one, "works"]));
      expect(printed()).toEqual(expected);
    });

    test.each([
      ["without keys", {}, 2],
      ["tcp_connect and tcp_bind", ALL, 3],
      ["network = local", LOCAL, 4],
      ["network = none", NONE, 5],
    ] as const)("the network: %s", (_, keys, column) => {
      const { seen } = tried(kind, keys, second(NETWORK));
      const known = NETWORK.map((row, i) => [row[0], row[column] === "?" ? "?" : seen[i]]);
      expect(known).toEqual(NETWORK.map((row) => [row[0], row[column]]));
    });

    test("the dynamic linker and interpreters run what was uploaded; the first does not from a noexec mount", () => {
      const attempts = [
        `execute:${LOADER}:${HOME}/dynamic`,
        `map:${HOME}/program`,
        `execute:/usr/bin/bash:${HOME}/script`,
      ];
      expect(tried(kind, ALL, attempts).seen).toEqual(["works", "works", "works"]);
      scene.m.must(["mount", "--bind", `${J}/home`, `${J}/home`]);
      scene.m.must(["mount", "-o", "remount,bind,noexec", `${J}/home`]);
      const { seen } = tried(kind, ALL, attempts);
      scene.m.must(["umount", `${J}/home`]);
      // The linker's own status is 127, as a number EKEYEXPIRED.
      expect(seen).toEqual(["EKEYEXPIRED", "EPERM", "works"]);
    });
  });
});
