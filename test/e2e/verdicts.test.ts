/**
 * Accounts that are broken in one way each, and some that are not: each really logs in, through sshd and PAM, and
 * `jailkit explain` reports the outcome beforehand. It prints "would work" only if the login works, "would be refused"
 * only if it is refused, for the reason in the log, and "may fail" only if nobody can know.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type ExplainReport, explainReportSchema, type StepReport } from "../../src/explain/report-schema.ts";
import type { RunResult } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { commandsOf, typeRemedy } from "./remedies-scene.ts";
import { ACCOUNTS } from "./verdicts-accounts.ts";
import { CERTIFICATES } from "./verdicts-certificates.ts";
import { HEALTHY } from "./verdicts-healthy.ts";
import { JAILS } from "./verdicts-jails.ts";
import { KEYS } from "./verdicts-keys.ts";
import { METHODS } from "./verdicts-methods.ts";
import { type Account, type Case, openVerdicts, type Scene, type Verdict } from "./verdicts-scene.ts";
import { SETTINGS } from "./verdicts-settings.ts";
import { SHELLS } from "./verdicts-shells.ts";
import { SSHD } from "./verdicts-sshd.ts";

setDefaultTimeout(120_000);

const STATUS: Readonly<Record<Verdict, number>> = { works: 0, refused: 1, unknown: 2, "not-jailed": 2 };
const LAST_LINE: Readonly<Record<Verdict, RegExp>> = {
  works: /^A login of \w+ would work/,
  refused: /^A login of \w+ would be refused/,
  unknown: /^A login of \w+ may fail: /,
  "not-jailed": /^A login of \w+ would work, and is NOT JAILED: /,
};

let scene: Scene;
const compared = new Map<Verdict, number>();
beforeAll(async () => {
  scene = await openVerdicts();
});
afterAll(async () => {
  const counts = [...compared].map(([verdict, count]) => `${count} ${verdict}`).join(", ");
  const all = [...compared.values()].reduce((sum, count) => sum + count, 0);
  console.log(`verdicts: ${all} accounts compared: ${counts}`);
  await scene?.m.close();
});

function explain({ user }: Account, { options = [], command = "echo inside", by }: Case): ExplainReport {
  const how = [...options, ...(by === "su" ? ["--su"] : [])];
  const asked = ["--", by === "sftp" ? "/usr/lib/openssh/sftp-server" : command];
  const json = scene.m.run(["jailkit", "explain", "--json", ...how, user, ...asked]);
  expect(json.stderr).toBe("");
  const found = reportOf(explainReportSchema, json.stdout);
  const text = scene.m.run(["jailkit", "explain", ...how, user, ...asked]);
  expect([json.status, text.status]).toEqual([STATUS[found.verdict], STATUS[found.verdict]]);
  const lines = text.stdout.trimEnd().split("\n");
  expect(lines.at(-1)).toMatch(LAST_LINE[found.verdict]);
  // After the first that fails, the checks that were skipped are one line.
  expect(lines.filter((line) => line.startsWith("  skipped")).length).toBeLessThan(2);
  return found;
}

const worked = (result: RunResult, { by }: Case) =>
  result.status === 0 && (by === "sftp" || result.stdout !== "");

/** What the programs say of a login that was refused. */
async function told(account: Account, one: Case, result: RunResult): Promise<string> {
  const lines = await scene.log.lines();
  const heard = lines.map(({ ident, message }) => `${ident}: ${message}`);
  const said = one.by === "su" ? "" : await scene.said(account);
  return [...heard, said, result.stderr, result.stdout].join("\n");
}

/** What the words of the log have to do with the step that decides. */
function isEvident(one: Case, step: StepReport | undefined, words: string): boolean {
  if (one.log !== undefined) return one.log.test(words);
  // jk_chrootsh writes the message of the check that fails, word for word.
  return step?.stage === "jk_chrootsh" && words.includes(step.message);
}

/** Types the remedy, or the command at the end of the words in the message. */
function mend(account: Account, one: Case, { message, remedy: printed }: StepReport): void {
  const [wanted = ""] = message.split("; or instead: ");
  const [remedy = "false"] = commandsOf({ message: wanted, remedy: printed });
  const { status, stderr } = typeRemedy(scene.m, remedy);
  expect([remedy, status, stderr]).toEqual([remedy, 0, ""]);
  if (one.mends === "keys") scene.putKeys(account);
  if (typeof one.mends === "function") one.mends(scene, account);
  const bad = typeof one.mends === "function" ? ["failed"] : ["failed", "unknown"];
  const steps = explain(account, one).steps.filter(({ outcome }) => bad.includes(outcome));
  expect([remedy, steps]).toEqual([remedy, []]);
  expect([remedy, worked(scene.login(account, one), one)]).toEqual([remedy, true]);
}

async function compare(one: Case): Promise<void> {
  const { account, undo } = await scene.prepare(one);
  try {
    const found = explain(account, one);
    const login = scene.login(account, one);
    const words = await told(account, one, login);
    const outcome = one.verdict === "unknown" ? "unknown" : "failed";
    const deciding = found.steps.filter((step) => step.outcome === outcome);
    const [first] = deciding;
    const refused = one.verdict === "refused";
    const asked = one.verdict !== "unknown" || one.enters !== undefined;
    const actual = {
      verdict: found.verdict,
      works: asked ? worked(login, one) : "not asked",
      check: first === undefined ? undefined : `${first.stage} ${first.name}`,
      // An error in a file is reported with its line, and words are in the message.
      remedy: refused ? /./.test(first?.remedy ?? "") || /\.ini\b|; /.test(first?.message ?? "") : true,
      evidence: refused ? isEvident(one, first, words) : true,
      status: found.exitStatus === null ? "none" : login.status,
    };
    const expected = {
      verdict: one.verdict,
      works: asked ? (one.enters ?? !refused) : "not asked",
      check: one.check,
      remedy: true,
      evidence: true,
      status: found.exitStatus ?? "none",
    };
    if (!Bun.deepEquals(actual, expected))
      console.error(`${one.name}:\n${JSON.stringify(deciding, null, 1)}\nlogin: ${login.status}\n${words}`);
    expect(actual).toEqual(expected);
    expect([one.name, (one.why ?? "") !== ""]).toEqual([one.name, one.verdict === "unknown"]);
    if (one.mends !== undefined && first !== undefined) mend(account, one, first);
    compared.set(one.verdict, (compared.get(one.verdict) ?? 0) + 1);
  } finally {
    undo();
  }
}

const named = (cases: readonly Case[]) => cases.map((one): [string, Case] => [one.name, one]);

describe("healthy accounts", () => {
  test.each(named(HEALTHY))("%s", (_name, one) => compare(one));
});
describe("broken jails and homes", () => {
  test.each(named(JAILS))("%s", (_name, one) => compare(one));
});
describe("broken shells and policies", () => {
  test.each(named(SHELLS))("%s", (_name, one) => compare(one));
});
describe("accounts, sshd and PAM", () => {
  test.each(named(ACCOUNTS))("%s", (_name, one) => compare(one));
});
describe("lines of authorized_keys", () => {
  test.each(named(KEYS))("%s", (_name, one) => compare(one));
});
describe("settings for one user", () => {
  test.each(named(SETTINGS))("%s", (_name, one) => compare(one));
});
describe("sshd for everybody", () => {
  test.each(named(SSHD))("%s", (_name, one) => compare(one));
});
describe("certificates", () => {
  test.each(named(CERTIFICATES))("%s", (_name, one) => compare(one));
});
describe("methods, kinds of keys and their places", () => {
  test.each(named(METHODS))("%s", (_name, one) => compare(one));
});
