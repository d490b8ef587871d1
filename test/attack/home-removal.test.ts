/** A customer leaves, and another one starts her setuid program while root removes her home. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { linesOf, openApplyMachine } from "../e2e/apply-scene.ts";
import { compiledC } from "../machine/helper.ts";
import type { Machine, MachineProcess } from "../machine/machine.ts";

setDefaultTimeout(180_000);

const J = "/srv/customer";
const EVES = "/home/eve";
const jail = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const user = (name: string) => `[user ${name}]\njail = ${J}\nshell = /bin/bash\n`;
const program = readFileSync(compiledC(join(import.meta.dir, "setuid-owner.c"), ["-static"]));
let m: Machine;

const declare = (...names: string[]) =>
  m.write("/etc/jailkit/jails.d/one.ini", jail + names.map(user).join(""));

beforeAll(async () => {
  m = await openApplyMachine();
});
afterAll(() => m?.close());

beforeEach(() => {
  declare("bob", "eve");
  m.must(["jailkit", "apply"]);
  const { uid } = m.ids("eve");
  m.write(`${J}${EVES}/program`, program, { owner: [uid, uid], mode: 0o4755 });
  m.must(["sh", "-c", `cd ${J}${EVES} && chmod 755 . && seq 20000 | xargs touch && chown eve *[0-9]`]);
  m.write(`${J}/home/bob/watch`, program, { mode: 0o755 });
  declare("bob");
});

async function watch(...words: string[]) {
  const watcher = m.start(["chroot", "--userspec=bob", J, "/home/bob/watch", EVES, ...words]);
  await watcher.until(({ stdout }) => (stdout.includes("ready") ? true : undefined));
  return watcher;
}

const started = ({ stdout }: MachineProcess) => (stdout.includes("started") ? true : undefined);

async function end(watcher: MachineProcess): Promise<void> {
  for (const name of ["bob", "eve"]) m.run(["jailkit", "terminate-user", name]);
  await watcher.ended;
}

/** A run that is killed if it does not end. */
const prune = () => m.run(["timeout", "-s", "KILL", "60", "jailkit", "apply", "--prune", "--delete-homes"]);

/** What a run says that removes what another one has left. */
const REST_GOES = expect.stringMatching(
  new RegExp(
    `^jailkit apply: warning: \\S+ is what is left of ${J}${EVES}, since a run of jailkit ended while it removed that; removed .\\S+.\n$`,
  ),
);
const isThere = () => m.run(["id", "eve"]).status === 0;

test.each(["fill", "sleep", "become"])(
  "neither the run goes on without end nor the account goes: %s",
  async (work) => {
    const watcher = await watch(work);
    try {
      const { status, stderr } = prune();
      expect([status, stderr]).toEqual([
        1,
        expect.stringMatching(
          /^jailkit apply: user eve: 'eve' has running processes \(\d+, started by 'bob', perhaps with a setuid/m,
        ),
      ]);
      await watcher.until(started);
      expect(isThere()).toBe(true);
    } finally {
      await end(watcher);
    }
    expect(prune()).toMatchObject({ status: 0, stderr: work === "fill" ? REST_GOES : "" });
    expect([isThere(), m.list(`${J}/home`)]).toEqual([false, ["bob"]]);
  },
);

test("the plan names who has started them", async () => {
  const watcher = await watch("sleep");
  m.must(["chmod", "700", J + EVES]);
  await watcher.until(started);
  try {
    const { warnings } = linesOf(m, "--check", "--prune").summary;
    expect(warnings).toContainEqual(
      expect.stringContaining("started by 'bob', perhaps with a setuid program)"),
    );
  } finally {
    await end(watcher);
  }
});

test("a signal ends the removal, and the next run goes on", async () => {
  const run = m.start(["sh", "-c", "echo $$; read go; exec jailkit apply --prune --delete-homes"]);
  const pid = await run.until(({ stdout }) => /^(\d+)\n/.exec(stdout)?.[1]);
  const watcher = m.start([`${J}/home/bob/watch`, J + EVES, "kill", pid]);
  await watcher.until(({ stdout }) => (stdout.includes("ready") ? true : undefined));
  run.write("go\n");
  expect(await run.ended).toMatchObject({
    status: 143,
    stderr: expect.stringContaining(
      `interrupted by SIGTERM ('${J}${EVES}' is removed, but for what is left in '${J}/home/.jk-gone-`,
    ),
  });
  expect([isThere(), m.list(`${J}/home`)]).toEqual([true, [expect.stringMatching(/^\.jk-gone-/), "bob"]]);
  expect(prune()).toMatchObject({ status: 0, stderr: REST_GOES });
  expect([isThere(), m.list(`${J}/home`)]).toEqual([false, ["bob"]]);
});
