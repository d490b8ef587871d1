/** `jailkit apply` tells of sessions that keep what it takes away, and what ends them. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { sleeperOf } from "../machine/sleeper.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";

let m: Machine;

beforeAll(async () => {
  m = await openApplyMachine();
});
afterAll(() => m?.close());

const declare = (more: string) =>
  m.write(FILE, `[jail ${J}]\nsections = uidbasics, basicshell, sftp\n[user rex]\njail = ${J}\n${more}`);

/** What a run tells of a session that was there before: for each change, whether it does. */
async function told(before: string, after: string) {
  declare(before);
  m.must(["jailkit", "apply", "--prune"]);
  const session = await sleeperOf(m, "rex");
  declare(after);
  const { changes, status } = linesOf(m, "--prune");
  const warnings = changes.flatMap((change) => change.warnings);
  const goOn = warnings.filter((line) =>
    line.startsWith("processes of 'rex' go on as they were allowed before ("),
  );
  const [, command = "true"] = /; end them with: (.*)$/.exec(goOn[0] ?? "") ?? [];
  expect(typeRemedy(m, command)).toMatchObject({ status: 0 });
  if (goOn.length === 0) session.end();
  if (goOn.length === 0) m.must(["pkill", "-KILL", "-u", "rex"]);
  await session.ended;
  return { status, changes: changes.map(({ what }) => `${what}`), told: goOn.length };
}

const SHELL = "shell = /bin/bash\n";
const SFTP = "allow = sftp\n";

test.each<[string, string, string, string[]]>([
  ["a group is taken away", `${SHELL}groups = team\n`, SHELL, ["groups"]],
  [
    "a shell becomes a limited one, and a group goes",
    `${SHELL}groups = team\n`,
    SFTP,
    ["policy", "shell", "groups"],
  ],
  ["the rules become other ones", "allow = sftp, scp upload\n", SFTP, ["policy"]],
  [
    "a key is taken away",
    `${SFTP}authorized_keys = ${KEYS[0]}\n  ${KEYS[1]}\n`,
    `${SFTP}authorized_keys = ${KEYS[0]}\n`,
    ["keys"],
  ],
  [
    "a key gets other options",
    `${SFTP}authorized_keys = ${KEYS[0]}\n`,
    `${SFTP}authorized_keys = restrict ${KEYS[0]}\n`,
    ["keys"],
  ],
])("once, when %s", async (_, before, after, changes) => {
  expect(await told(before, after)).toEqual({ status: 0, changes, told: 1 });
});

test.each<[string, string, string, string[]]>([
  ["is given a group", SHELL, `${SHELL}groups = team\n`, ["groups"]],
  ["is given a shell", SFTP, SHELL, ["shell", "policy"]],
])("not when one %s", async (_, before, after, changes) => {
  expect(await told(before, after)).toEqual({ status: 0, changes, told: 0 });
});
