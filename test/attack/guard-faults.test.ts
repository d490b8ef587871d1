/**
 * The guard verifies every step that drops a privilege. Here it runs on a kernel that reports success and does nothing
 * (test/fixtures/guard/faults.c): whatever privilege is left, the guard ends the program.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../fixtures/guard/build.ts";
import { CHROOT } from "./guard-run.ts";

const root = join(import.meta.dir, "../..");
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "guard-faults-"));
  const source = join(root, "test/fixtures/guard/faults.c");
  const words = ["gcc", "-O1", "-I", join(root, "ffi/guard"), "-o", join(folder, "faults"), source];
  expect(run(words).stderr).toBe("");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const guard = (...words: string[]) => run([join(folder, "faults"), ...words]).stdout.trim();
const ids = (uid: number, gid = uid) => `user ${uid} ${uid} ${uid} ${uid} group ${gid} ${gid} ${gid} ${gid}`;

describe("a kernel that does what it is told", () => {
  test("a user: the caller's ids, and CAP_SYS_CHROOT alone", () => {
    const left = `capabilities ${CHROOT} ${CHROOT} 0 0 keepcaps 0 dumpable 0 kept 1`;
    expect(guard("give-up", "4001")).toBe(`${ids(4001)} ${left}`);
    expect(guard("give-up", "4001", "unprivileged")).toBe(`${ids(4001)} ${left}`);
  });

  test("root: nobody, and nothing", () => {
    const left = "capabilities 0 0 0 0 keepcaps 0 dumpable 0 kept 0";
    expect(guard("give-up", "0")).toBe(`${ids(65534)} ${left}`);
  });

  test("root with SECBIT_NO_SETUID_FIXUP: capabilities do not go with the ids, and go all the same", () => {
    expect(guard("give-up", "0", "no-setuid-fixup")).toContain("capabilities 0 0 0 0 keepcaps 0");
    expect(guard("give-up", "4001", "no-setuid-fixup")).toContain(`capabilities ${CHROOT} ${CHROOT} 0 0 `);
  });

  test("an entry keeps CAP_SYS_CHROOT for one exec", () => {
    expect(guard("keep", "4001", "unprivileged")).toContain(
      `capabilities ${CHROOT} ${CHROOT} ${CHROOT} ${CHROOT}`,
    );
  });
});

const IDS = "refused 127: user or group ids could not be given up";
const CAPABILITIES = "refused 127: capabilities could not be given up";

describe("a right that is left over ends the program", () => {
  for (const kind of ["user", "group"])
    for (const member of ["real", "effective", "saved", "filesystem"])
      test(`${kind} id, ${member}`, () => {
        expect(guard("give-up", "4001", `${kind}-${member}`)).toBe(IDS);
        // Of root's it is refused with the same words, as nobody's.
        expect(guard("give-up", "0", `${kind}-${member}`)).toBe(IDS);
      });

  test.each([
    ["user-comes-back", "refused 127: the effective user id came back"],
    ["group-comes-back", "refused 127: the effective group id came back"],
    ["capset-nothing", CAPABILITIES],
    ["capset-effective", CAPABILITIES],
    ["capset-permitted", CAPABILITIES],
    ["capset-inheritable", CAPABILITIES],
    ["capset", "refused 127: capset failed"],
    ["capget", "refused 127: capget failed"],
    ["setresuid", "refused 127: setresuid failed"],
    ["setresgid", "refused 127: setresuid failed"],
    ["dumpable", "refused 127: PR_SET_DUMPABLE failed"],
  ])("%s", (fault, refused) => {
    expect(guard("give-up", "4001", fault)).toBe(refused);
  });

  test.each(["setgroups", "setresuid", "setresgid"])("of root's: %s", (fault) => {
    expect(guard("give-up", "0", fault)).toBe("refused 12: this program cannot be run by root");
  });

  test("an ambient capability that the kernel does not give", () => {
    expect(guard("keep", "4001", "unprivileged", "ambient")).toBe("refused 127: PR_CAP_AMBIENT_RAISE failed");
  });
});

test.each([
  ["", "0"],
  ["limit-refused", "-1"],
  ["limit-soft", "-1"],
  ["limit-hard", "-1"],
  ["limit-unread", "-1"],
])("a limit that is not set is an error: %j", (fault, result) => {
  expect(guard("limit", "4001", fault)).toBe(result);
});

describe("what an entry hands over", () => {
  const REFUSED = "refused 11: only its own entry may start this program";

  test("is CAP_SYS_CHROOT, or nothing", () => {
    expect(guard("handed", "4001", "unprivileged")).toStartWith("user 4001");
    expect(guard("handed", "4001", "unprivileged", "nothing")).toStartWith("user 4001");
  });

  test.each(["more-permitted", "more-effective", "less-effective", "not-ambient"])("and not %s", (fault) => {
    expect(guard("handed", "4001", "unprivileged", fault)).toBe(REFUSED);
  });

  test("and not root's", () => {
    expect(guard("handed", "0", "unprivileged")).toBe(REFUSED);
    expect(guard("handed", "0", "unprivileged", "nothing")).toBe(REFUSED);
  });
});
