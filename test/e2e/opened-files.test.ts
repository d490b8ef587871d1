/** Whoever had a file open for writing, when others than root could write it, changes nothing after the remedy was typed. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { KEYS, openApplyMachine } from "./apply-scene.ts";
import { check } from "./check-helper.ts";
import { commandsOf, typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/jail";
const TOOL = "/usr/local/bin/tool";
const HOME = `${J}/home/eve`;
let m: Machine;

beforeAll(async () => {
  m = await openApplyMachine();
  m.write(TOOL, "#!/bin/sh\necho tool\n", { mode: 0o755 });
  m.write(
    "/etc/jailkit/jails.d/one.ini",
    `[jail ${J}]\nsections = uidbasics, basicshell\nfiles = ${TOOL}\n` +
      `[user eve]\njail = ${J}\nshell = /bin/bash\nauthorized_keys = ${KEYS[0]}\n`,
  );
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());

/** What is advised against a file, by jk_check for each of its findings, or for a login. */
const checked = (path: string) => () =>
  check(m, J).found.flatMap((one) =>
    one.path === path
      ? commandsOf({ message: one.message, remedy: (one as { remedy?: string }).remedy ?? null })
      : [],
  );
const explained = () =>
  reportOf(explainReportSchema, m.run(["jailkit", "explain", "--json", "eve"]).stdout).steps.flatMap(
    ({ outcome, remedy }) => (outcome === "failed" ? (remedy ?? []) : []),
  );

const shell = `${J}/usr/bin/bash`;
test.each<[what: string, path: string, open: string, advised: () => string[]]>([
  ["a program, by jk_check", `${J}${TOOL}`, `chmod 0777 ${J}${TOOL}`, checked(`${J}${TOOL}`)],
  [
    "a program with an ACL, by jk_check",
    `${J}${TOOL}`,
    `setfacl -m u:eve:rwx ${J}${TOOL}`,
    checked(`${J}${TOOL}`),
  ],
  [
    "configuration, by jk_check",
    `${J}/etc/nsswitch.conf`,
    `chmod 0666 ${J}/etc/nsswitch.conf`,
    checked(`${J}/etc/nsswitch.conf`),
  ],
  ["a shell, by jailkit explain", shell, `chgrp $(id -g eve) ${shell}; chmod 0775 ${shell}`, explained],
  [
    "keys of a user, by jk_check",
    `${HOME}/.ssh/authorized_keys`,
    `chmod 0666 ${HOME}/.ssh/authorized_keys`,
    checked(`${HOME}/.ssh/authorized_keys`),
  ],
])("%s", async (_, path, open, advised) => {
  const before = m.read(path);
  const mode = m.stat(path)?.mode;
  m.must(["sh", "-ec", open]);
  // Whoever has opened it before the directories above were closed.
  const writer = m.start(["sh", "-c", `exec 3>>${path}; echo open; read go; echo evil >&3; echo wrote`]);
  await writer.until(({ stdout }) => stdout.includes("open") || undefined);
  const commands = advised();
  expect(commands).not.toEqual([]);
  for (const one of commands) expect([one, typeRemedy(m, one).status]).toEqual([one, 0]);
  expect(advised()).toEqual([]);
  writer.write("go\n");
  await writer.until(({ stdout }) => stdout.includes("wrote") || undefined);
  writer.kill();
  expect([commands, m.read(path), m.stat(path)?.mode]).toEqual([commands, before, mode]);
});
