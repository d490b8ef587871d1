/** An error of `jailkit apply` names the line of the key that it is due to. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const [J, OTHER] = ["/srv/customer", "/srv/other"];
const FILE = "/etc/jailkit/jails.d/one.ini";
const BASE = "/etc/jailkit/jails.d/a.ini";

let m: Machine;

/** The text with a mark before what is at fault: what is declared, and the line and column of the mark. */
function marked(text: string) {
  const [before = "", after = ""] = text.split("@");
  const lines = before.split("\n");
  return { text: before + after, line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 };
}

beforeAll(async () => {
  m = await openApplyMachine();
  m.write(
    BASE,
    `[jail ${J}]\nsections = uidbasics, basicshell, sftp\n[jail ${OTHER}]\nsections = uidbasics, basicshell\n[user old]\njail = ${J}\nshell = /bin/bash\nauthorized_keys = ${KEYS[0]}\n`,
  );
  m.must(["jailkit", "apply"]);
  m.must(["useradd", "-u", "7777", "taken"]);
});
afterAll(() => m?.close());

const user = (keys: string, name = "new", jail = J) => `[user ${name}]\njail = ${jail}\n${keys}\n`;
const SHELL = "shell = /bin/bash\n";

const CASES: readonly { title: string; declared: string; isOld?: boolean; before?: string }[] = [
  { title: "a section", declared: `[jail ${J}.2]\nsections = uidbasics,\n  @nosuch, sftp\n` },
  { title: "a file", declared: `[jail ${J}.2]\nsections = uidbasics\nfiles = id, @/no/such\n` },
  { title: "a live directory", declared: `[jail ${J}.2]\nlive = /usr, @/opt/none\n` },
  { title: "a jail that is not there", declared: user(SHELL).replace(J, "@/srv/none") },
  { title: "another jail", declared: user(SHELL, "old").replace(J, `@${OTHER}`), isOld: true },
  { title: "a shell", declared: user("groups = team\nshell = @/bin/none") },
  { title: "a group", declared: user(`${SHELL}groups = team, @none`) },
  { title: "a uid that another one has", declared: user(`${SHELL}uid = @7777`) },
  { title: "a uid that the account has not", declared: user(`${SHELL}uid = @7778`, "old"), isOld: true },
  { title: "a home", declared: user(`${SHELL}home = @/home/other`, "old"), isOld: true },
  {
    title: "a home that is there",
    declared: user(`${SHELL}home = @/home/old/sub`),
    before: `mkdir ${J}/home/old/sub`,
  },
  { title: "a directory", declared: user(`${SHELL}directory = @1`, "old"), isOld: true },
  { title: "a directory that does not know the name", declared: user(`${SHELL}directory = @1`) },
  { title: "nothing but the section", declared: "[jail @/srv/empty]\nproc = 0\n" },
  {
    title: "keys",
    declared: user(`${SHELL}authorized_keys = @${KEYS[1]}`, "old"),
    isOld: true,
    before: `ln -sf /nowhere ${J}/home/old/.ssh/authorized_keys`,
  },
];

test.each(CASES)("$title", ({ declared, isOld = false, before = "" }) => {
  if (before !== "") m.must(["sh", "-c", before]);
  const base = m.read(BASE);
  if (isOld) m.write(BASE, base.split("[user old]")[0] ?? "");
  const { text, ...place } = marked(declared);
  m.write(FILE, text);
  for (const options of [["--check"], []]) {
    const [first, ...more] = linesOf(m, ...options).summary.problems.filter(
      ({ waitsFor }) => waitsFor === null,
    );
    expect(more).toEqual([]);
    expect(first).toMatchObject({ file: FILE, ...place });
  }
  expect(m.run(["jailkit", "apply"]).stderr).toContain(
    `\n  declared in ${FILE}:${place.line}:${place.column}\n`,
  );
  m.write(FILE, "");
  m.write(BASE, base);
});

test("an error of a change", async () => {
  const base = m.read(BASE);
  const declare = (proc: string) => {
    const { text, ...place } = marked(
      `[jail ${J}]\nsections = uidbasics, basicshell, sftp\nproc = ${proc}\n`,
    );
    m.write(BASE, base.replace(/\[jail [^[]*/, text));
    return place;
  };
  m.remove(`${J}/home/old/.ssh/authorized_keys`);
  declare("1");
  m.must(["jailkit", "apply"]);
  const place = declare("@0");
  const holder = m.start(["sh", "-c", "echo there; exec sleep 600"], { cwd: `${J}/proc` });
  await holder.until(({ stdout }) => (stdout === "" ? undefined : stdout));
  const { changes, summary } = linesOf(m);
  expect(changes.map(({ what, status }) => `${what} ${status}`)).toEqual(["proc failed"]);
  expect(summary.problems).toMatchObject([{ code: "proc-busy", file: BASE, ...place }]);
  holder.kill();
  await holder.ended;
  m.must(["jailkit", "apply"]);
  m.write(BASE, base);
});
