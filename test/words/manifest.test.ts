/** docs/manifest.md describes exactly the fields of a real record. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";
import { readDocument } from "./blocks.ts";

setDefaultTimeout(120_000);

type Fields = Record<string, unknown>;
interface Manifest {
  jail: Fields;
  requests: Fields[];
  entries: Fields[];
}

const JAILS = "/var/lib/jailkit/jails";
const page = readDocument("docs/manifest.md");
let m: Machine;
let folders: string[];

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.must(["jk_init", "-j", "/srv/copied", "uidbasics", "sftp", "interactiveshell"]);
  m.must(["jk_init", "-k", "-j", "/srv/linked", "uidbasics", "sftp"]);
  m.must(["jailkit", "export", "-o", "/root/linked.json", "/srv/linked"]);
  m.must(["jailkit", "import", "-j", "/srv/imported", "/root/linked.json"]);
  // Not all of it has room.
  m.mkdir("/srv/cut");
  m.must(["mount", "-t", "tmpfs", "-o", "mode=0755,size=3m", "tmpfs", "/srv/cut"]);
  m.run(["jk_init", "-j", "/srv/cut", "interactiveshell"]);
  m.must(["mknod", "/root/disk", "b", "7", "0"]);
  m.must(["jk_cp", "-j", "/srv/copied", "/root/disk"]);
  m.must(["jk_init", "--live", "-j", "/srv/live", "mysqlsocket"]);
  m.mkdir("/etc/jailkit/jails.d");
  m.write("/etc/jailkit/jails.d/off.ini", "[jail /srv/off]\nsections = jk_lsh\nlog_socket = no\n");
  m.must(["jailkit", "apply"]);
  // It has a file of that before.
  m.must(["mkdir", "-p", "/srv/had/opt"]);
  for (const path of ["/opt/tool", "/srv/had/opt/tool"]) m.write(path, "tool");
  m.must(["jk_cp", "-j", "/srv/had", "/opt/tool"]);
  // It has one of a user below a directory that it gets.
  m.write("/srv/share/tool", "tool");
  m.write("/srv/theirs/srv/share/tool", "of a user", { owner: [4001, 4001] });
  m.must(["jk_cp", "-j", "/srv/theirs", "/srv/share"]);
  m.run(["jk_check", "/srv/copied"]);
  m.must(["jk_update", "-j", "/srv/copied"]);
  folders = m.list(JAILS);
});
afterAll(() => m?.close());

/** The names that the rows of a table begin with: of the n-th table of the page. */
function documented(index: number): string[] {
  const table = page.split(/\n\n(?=\|)/)[index + 1]?.split("\n\n")[0] ?? "";
  return table
    .split("\n")
    .slice(2)
    .flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`(\w+)`/g)].map(([, name = ""]) => name))
    .sort();
}

const manifests = () =>
  folders.map((id) => JSON.parse(m.read(`${JAILS}/${id}/manifest.json`)) as Manifest & Fields);
const namesOf = (all: readonly Fields[]) => [...new Set(all.flatMap((one) => Object.keys(one)))].sort();
/** The names in backquotes of the sentence that begins with some words, or of a row. */
const named = (start: string) =>
  [...(page.slice(page.indexOf(start)).split(/\n\n|\|\n/)[0] ?? "").matchAll(/`(\w+)`/g)].map(
    ([, name]) => name ?? "",
  );

test("the record", () => {
  expect(namesOf(manifests())).toEqual(documented(0));
});

test("its jail", () => {
  const [, ...fields] = named("| `jail` |");
  expect(namesOf(manifests().map(({ jail }) => jail))).toEqual(fields.sort());
});

test("its requests", () => {
  const fields = named("A request has").filter((name) => name !== "jk_init");
  expect(namesOf(manifests().flatMap(({ requests }) => requests))).toEqual(fields.sort());
});

test("its entries, and their types", () => {
  const entries = manifests().flatMap((one) => one.entries);
  expect(namesOf(entries)).toEqual(documented(1));
  const types = [...new Set(entries.map(({ type }) => String(type)))];
  const [, ...known] = named("| `type` |");
  expect(types.sort()).toEqual(known.sort());
});

test("what is beside it", () => {
  const record = (id = "") => `${JAILS}/${id}/manifest.json`;
  m.write(record(folders[0]), "damaged");
  m.must(["jailkit", "adopt", "--force", "/srv/copied"]);
  m.must(["jailkit", "adopt", "--force", "/srv/linked"]);
  m.must(["jailkit", "adopt", "--force", "/srv/live"]);
  const beside = m.list(JAILS).flatMap((id) => m.list(`${JAILS}/${id}`));
  const names = new Set(beside.filter((name) => name !== "manifest.json"));
  expect(names).toContain("manifest.json.damaged");
  for (const name of names)
    expect(page).toMatch(new RegExp(`^- (\`.*\`, )*\`${RegExp.escape(name)}\`[:,] `, "m"));
});
