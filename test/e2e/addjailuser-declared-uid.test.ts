/** jk_addjailuser -u with the uid of a declared user whose account is gone: it would own the files of that customer. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { linesOf, openApplyMachine, uidIn } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const [J, FILE] = ["/srv/j", "/etc/jailkit/jails.d/one.ini"] as const;
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const ann = (more = "") => `${JAIL}[user ann]\njail = ${J}\nshell = /bin/bash\n${more}`;
const LETTER = `${J}/home/ann/letter`;

let m: Machine;
let uid: number;
const add = (...options: readonly string[]) =>
  m.run(["jk_addjailuser", "-s", "/bin/bash", ...options, "-u", `${uid}`, J, "hand"]);

beforeAll(async () => {
  m = await openApplyMachine();
  m.write(FILE, ann());
  m.must(["jailkit", "apply"]);
  uid = uidIn(m, "ann") ?? 0;
  m.must(["sh", "-c", `echo of-ann > ${LETTER}; chown ann ${LETTER}; chmod 600 ${LETTER}`]);
});
afterAll(() => m?.close());

const text = () =>
  `jk_addjailuser: the uid ${uid} belongs to 'ann', who is declared: choose another with -u; or bring that account back, as it is declared, with: jailkit apply; or, if that user is gone for good, take [user ann] (${FILE}:3:7) out, and let what is left of it go, with: jailkit apply --prune\n`;

test.each([
  ["its uid is remembered alone", "", "true"],
  ["its section says it", "uid", "true"],
  ["its section says it, and nothing is remembered", "uid", "mv /var/lib/jailkit/declared.json /root/"],
])("is refused, also with -o and in a dry run: %s", (_, key, lose) => {
  m.must(["userdel", "ann"]);
  m.write(FILE, ann(key === "" ? "" : `uid = ${uid}\n`));
  m.must(["sh", "-c", lose]);
  for (const options of [[], ["-o"], ["--dry-run"]])
    expect([options, add(...options)]).toMatchObject([options, { status: 1, stderr: text(), stdout: "" }]);
  expect(uidIn(m, "hand")).toBeUndefined();
  m.run(["mv", "/root/declared.json", "/var/lib/jailkit/"]);
  m.must(["jailkit", "apply"]);
  expect(uidIn(m, "ann")).toBe(uid);
  expect(m.run(["cat", LETTER], { user: "ann" }).stdout).toBe("of-ann\n");
});

test("a second name of an account that is there is given with -o, as ever", () => {
  expect(add().stderr).toContain(`the uid ${uid} belongs to 'ann': choose another with -u`);
  expect([add("-o").status, uidIn(m, "hand")]).toEqual([0, uid]);
  m.must(["userdel", "hand"]);
  m.must(["jk_jailuser", "--unjail", "--jail-side-only", "-j", J, "hand"]);
});

test("the user itself gets it, and whoever is named once the section is gone, with a warning", () => {
  m.must(["userdel", "ann"]);
  m.must(["jk_addjailuser", "-s", "/bin/bash", "-u", `${uid}`, J, "ann"]);
  m.must(["userdel", "ann"]);
  m.write(FILE, JAIL);
  expect(linesOf(m, "--prune").status).toBe(0);
  const { status, stderr } = add();
  expect([status, uidIn(m, "hand")]).toEqual([0, uid]);
  expect(stderr).toContain(`warning: the uid ${uid} `);
});
