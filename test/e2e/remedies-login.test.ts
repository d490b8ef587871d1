/**
 * What is printed as the remedy of a login that fails is typed, as it is, at a login shell, and heals: for each check of
 * jk_chrootsh, jk_lsh, jk_uchroot and jk_procmailwrapper, a jail in which all works is broken in that one way.
 */
import { afterAll, beforeAll, describe, expect, onTestFinished, setDefaultTimeout, test } from "bun:test";
import { CHECKS } from "../../src/enter/check-list.ts";
import {
  PROCMAIL_CALLER_CHECKS,
  PROCMAIL_HOST_CHECKS,
  PROCMAIL_IN_JAIL_CHECKS,
} from "../../src/enter/procmail-checks.ts";
import {
  UCHROOT_CALLER_CHECKS,
  UCHROOT_HOST_CHECKS,
  UCHROOT_IN_JAIL_CHECKS,
} from "../../src/enter/uchroot-checks.ts";
import type { RunResult } from "../machine/machine.ts";
import { CASES, type LoginCase, NO_COMMAND } from "./remedies-login.ts";
import {
  COMMAND,
  GUEST,
  type Health,
  JAIL,
  LIMITED_USER,
  openRemedies,
  type Scene,
  SHELL_USER,
} from "./remedies-scene.ts";

setDefaultTimeout(300_000);

let scene: Scene;
let healthy: Health;
let ran = 0;

const chrootsh = (user: string, command: string) =>
  scene.m.run(["/usr/sbin/jk_chrootsh", "-c", command], { user, env: { USER: user } });
const LOGINS: Readonly<Record<LoginCase["tool"], { words: string[]; login: () => RunResult }>> = {
  jk_chrootsh: { words: [SHELL_USER], login: () => chrootsh(SHELL_USER, "true") },
  jk_lsh: { words: [LIMITED_USER, "--", COMMAND], login: () => chrootsh(LIMITED_USER, COMMAND) },
  jk_uchroot: {
    words: ["-j", JAIL, GUEST, "--", "/bin/bash"],
    login: () =>
      scene.m.run(["jk_uchroot", "-j", JAIL, "-x", "/bin/true"], { user: GUEST, env: { USER: GUEST } }),
  },
  jk_procmailwrapper: {
    words: ["--mail", SHELL_USER],
    login: () =>
      scene.m.run(["jk_procmailwrapper"], {
        user: SHELL_USER,
        stdin: "From a@b Thu Jan  1 00:00:00 1970\n\nx\n",
      }),
  },
};

beforeAll(async () => {
  scene = await openRemedies();
  scene.m.must(["jk_cp", "-j", JAIL, "/usr/bin/true"]);
  healthy = scene.health();
});
afterAll(async () => {
  console.log(
    `remedies of logins that were typed: ${ran}; cases that no command heals: ${NO_COMMAND.length}`,
  );
  await scene?.m.close();
});

test("all works before", () => {
  expect(healthy).toEqual([]);
  for (const [tool, { login }] of Object.entries(LOGINS)) expect([tool, login().status]).toEqual([tool, 0]);
});

const titled = CASES.map((one) => [`${one.tool}/${one.check}: ${one.what}`, one] as const);

describe("the remedy heals", () => {
  test.each(titled)("%s", (_title, { tool, check, plant, fill, refused = true, shellIsTheFault, words }) => {
    const { m, explain, type, kept, health, restore } = scene;
    const before = kept();
    let healed = false;
    onTestFinished(() => {
      if (!healed) restore();
    });
    plant(m);
    const asked = words ?? LOGINS[tool].words;
    const bad = explain(...asked).filter(({ outcome }) => ["failed", "warned"].includes(outcome));
    const step = bad.find(({ name }) => name === check);
    expect(bad.map(({ name }) => name)).toContain(check);
    if (refused) expect(LOGINS[tool].login().status).not.toBe(0);
    const remedy = fill === undefined ? (step?.remedy ?? "") : fill(step?.remedy ?? "");
    const typed = type(remedy);
    ran++;
    expect([remedy, typed.status, typed.stderr]).toEqual([remedy, 0, expect.any(String)]);
    expect([remedy, health()]).toEqual([remedy, healthy]);
    expect(LOGINS[tool].login()).toMatchObject({ status: 0 });
    const after = kept();
    expect(before.names.filter((name) => !after.names.includes(name))).toEqual([]);
    if (!shellIsTheFault) expect(after.shells).toEqual(before.shells);
    healed = true;
  });
});

describe("every check has its case", () => {
  const tables = {
    jk_chrootsh: CHECKS,
    jk_uchroot: [...UCHROOT_CALLER_CHECKS, ...UCHROOT_HOST_CHECKS, ...UCHROOT_IN_JAIL_CHECKS],
    jk_procmailwrapper: [...PROCMAIL_CALLER_CHECKS, ...PROCMAIL_HOST_CHECKS, ...PROCMAIL_IN_JAIL_CHECKS],
  };
  const rows = Object.entries(tables).flatMap(([tool, checks]) =>
    checks.map(({ name }) => [tool, name] as const),
  );
  test.each(rows)("%s/%s", (tool, name) => {
    const isAbout = (one: { tool: string; check: string }) => one.tool === tool && one.check === name;
    expect(CASES.filter(isAbout).length + NO_COMMAND.filter(isAbout).length).toBeGreaterThan(0);
  });
});
