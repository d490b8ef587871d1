/**
 * The remedies of a login that fails, typed as printed at a login shell, fix it: for each check of jk_chrootsh, jk_lsh,
 * jk_uchroot and jk_procmailwrapper, a working jail is broken in that one way.
 */
import { afterAll, beforeAll, describe, expect, onTestFinished, setDefaultTimeout, test } from "bun:test";
import {
  PROCMAIL_CALLER_CHECKS,
  PROCMAIL_HOST_CHECKS,
  PROCMAIL_IN_JAIL_CHECKS,
} from "../../src/enter/procmail/checks.ts";
import {
  UCHROOT_CALLER_CHECKS,
  UCHROOT_HOST_CHECKS,
  UCHROOT_IN_JAIL_CHECKS,
} from "../../src/enter/uchroot/checks.ts";
import { LOGIN_CHECKS } from "../../src/explain/login-checks.ts";
import { REFUSALS, type RefusalCode } from "../../src/limited-shell/refusal.ts";
import type { RunResult } from "../machine/machine.ts";
import { CASES, type LoginCase, NO_COMMAND, NO_LSH_COMMAND } from "./remedies-login.ts";
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

/** Runs a program that may not be executable. */
const run = (words: string[], user: string, env: Record<string, string> = { USER: user }, stdin = "") =>
  scene.m.run(["sh", "-c", 'exec "$@"', "sh", ...words], { user, env: { PATH: "/usr/bin", ...env }, stdin });
const chrootsh = (user: string, command: string, env?: Record<string, string>) =>
  run(["/usr/sbin/jk_chrootsh", "-c", command], user, env);
type Login = (env?: Record<string, string>) => RunResult;
const LOGINS: Readonly<Record<LoginCase["tool"], { words: string[]; login: Login }>> = {
  jk_chrootsh: { words: [SHELL_USER], login: (env) => chrootsh(SHELL_USER, "true", env) },
  jk_lsh: { words: [LIMITED_USER, "--", COMMAND], login: (env) => chrootsh(LIMITED_USER, COMMAND, env) },
  jk_uchroot: {
    words: ["-j", JAIL, GUEST, "--", "/bin/bash"],
    login: (env) => run(["/usr/bin/jk_uchroot", "-j", JAIL, "-x", "/bin/true"], GUEST, env),
  },
  jk_procmailwrapper: {
    words: ["--mail", SHELL_USER],
    login: () => run(["/usr/sbin/jk_procmailwrapper"], SHELL_USER, {}, MAIL),
  },
};
const MAIL = "From a@b Thu Jan  1 00:00:00 1970\n\nx\n";

/** The remedy in the last line that a program has logged. */
async function loggedRemedy(): Promise<string> {
  const lines = (await scene.log.lines()).filter(({ message }) => /^JK-.*; remedy: /.test(message));
  return (
    lines
      .at(-1)
      ?.message.replace(/^.*?; remedy: /, "")
      .replaceAll(" | ", "\n") ?? ""
  );
}

beforeAll(async () => {
  scene = await openRemedies();
  scene.m.must(["jk_cp", "-j", JAIL, "/usr/bin/true"]);
  healthy = scene.health();
});
afterAll(async () => {
  console.log(
    `remedies of logins that were typed: ${ran}; cases that no command heals: ${NO_COMMAND.length + Object.keys(NO_LSH_COMMAND).length}`,
  );
  await scene?.m.close();
});

test("everything works before", () => {
  expect(healthy).toEqual([]);
  for (const [tool, { login }] of Object.entries(LOGINS)) expect([tool, login().status]).toEqual([tool, 0]);
});

/** The words of a message that end with a command. */
const wordsOf = (step: { message: string } | undefined) => {
  const text = step?.message ?? "";
  // A directory of somebody else: nobody knows whose home that is.
  const own = /; if that is the home of .*?; if not, keep it .*?: (mv -nT [^[]*)/.exec(text)?.[1]?.trim();
  return own ?? /; (install .* again, because .*; then: .*)$/.exec(text)?.[1] ?? "";
};
const isBad = ({ outcome }: { outcome: string }) => ["failed", "warned"].includes(outcome);
const titled = CASES.map((one) => [`${one.tool}/${one.check}: ${one.what}`, one] as const);

describe("the remedy works", () => {
  test.each(titled)("%s", async (_title, one) => {
    const { tool, check, plant, fill, refused = true, shellIsTheFault, words, fromLog, back } = one;
    const { m, explain, type, kept, health, restore } = scene;
    const before = kept();
    let healed = false;
    onTestFinished(() => {
      if (!healed) restore();
    });
    plant(m);
    const asked = words ?? LOGINS[tool].words;
    const bad = explain(...asked).filter(isBad);
    const step = bad.find(({ name }) => name === check);
    if (fromLog === undefined) expect(bad.map(({ name }) => name)).toContain(check);
    if (refused) expect(LOGINS[tool].login(fromLog).status).not.toBe(0);
    const printed = fromLog === undefined ? step?.remedy || wordsOf(step) : await loggedRemedy();
    const remedy = fill === undefined ? printed : fill(printed);
    const typed = type(remedy);
    ran++;
    expect([remedy, typed.status, typed.stderr]).toEqual([remedy, 0, expect.any(String)]);
    if (back !== undefined) {
      expect([remedy, explain(...(tool === "jk_uchroot" ? [SHELL_USER] : asked)).filter(isBad)]).toEqual([
        remedy,
        [],
      ]);
      back(m);
    }
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
    jk_chrootsh: LOGIN_CHECKS,
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
  test.each(Object.keys(REFUSALS) as RefusalCode[])("jk_lsh: %s", (code) => {
    expect(CASES.some(({ refusal }) => refusal === code) || NO_LSH_COMMAND[code] !== undefined).toBe(true);
  });
});
