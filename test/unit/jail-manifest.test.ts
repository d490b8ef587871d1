import { afterEach, beforeEach, describe, expect, mock, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { toBytes, utf8 } from "../../ffi/bytes.ts";
import { jsonText } from "../../src/cli/display.ts";
import { closeJailRoot, type JailRoot, openJailRoot } from "../../src/jail/fs/walk.ts";
import { isEmptied } from "../../src/jail/record/emptied.ts";
import {
  changeManifest,
  forgetJail,
  knownJails,
  type ManifestEntry,
  type ManifestRequest,
  openManifest,
  readRegistry,
  recordRequest,
  removeEntries,
  removeRequests,
  saveManifest,
  updateEntries,
} from "../../src/jail/record/manifest.ts";
import { formatManifest, fromJsonText, parseManifest } from "../../src/jail/record/manifest-text.ts";
import { isRefused, setRefused } from "../../src/jail/record/without.ts";
import { codeOf, makeJail, type TestJail } from "./jail-helper.ts";

let jail: TestJail;
let registry: string;
const opened: JailRoot[] = [];
beforeEach(() => {
  jail = makeJail();
  registry = `${jail.base}/lib/jailkit/jails`;
});
afterEach(() => {
  for (const root of opened.splice(0)) closeJailRoot(root);
  jail.close();
});
function open(path = jail.path) {
  const root = openJailRoot(path);
  opened.push(root);
  return openManifest(root, { registry });
}
const request = (section: string, time = 1): ManifestRequest => ({
  tool: "jk_init",
  sections: [section],
  operands: [],
  options: { hardlink: true },
  time,
});
const file = (path: string, ...sections: string[]): ManifestEntry => ({
  path,
  type: "file",
  source: path,
  sections,
  mode: 0o755,
  uid: 0,
  gid: 0,
  size: 1,
  mtime: 1_700_000_000_123_456_789n,
});
const paths = (manifest: ReturnType<typeof open>) => [...manifest.content.entries.keys()];

test("a saved record is read back, byte for byte", () => {
  const manifest = open();
  const name = `/usr/\xff\xe9\n${utf8("\u00e9\u{1f600}")}"\\`;
  const link: ManifestEntry = {
    path: "/l",
    type: "link",
    sections: [],
    mode: 0o777,
    uid: 4294967294,
    gid: 0,
    target: name,
  };
  recordRequest(manifest, request("sftp"));
  updateEntries(manifest, [file(name, "sftp"), link]);
  expect(readdirSync(jail.base)).toEqual(["jail"]);
  saveManifest(manifest);
  const again = open();
  expect(again.id).toBe(manifest.id);
  expect(again.content.requests).toEqual([request("sftp")]);
  expect(again.content.entries.get(name)).toEqual(file(name, "sftp"));
  expect(again.content.entries.get("/l")).toEqual(link);
});

test("an entry of an unknown kind is left out, and the rest is read", () => {
  const manifest = open();
  updateEntries(manifest, [file("/one", "a"), file("/pipe", "a"), file("/two", "a")]);
  saveManifest(manifest);
  const path = `${registry}/${manifest.id}/manifest.json`;
  const text = readFileSync(path, "utf8").replace('"/pipe","type":"file"', '"/pipe","type":"fifo"');
  expect(text).toContain('"fifo"');
  writeFileSync(path, text);
  expect(paths(open())).toEqual(["/one", "/two"]);
});

test("belongs only to root", () => {
  const manifest = open();
  saveManifest(manifest);
  const mode = (path: string) => lstatSync(path).mode & 0o7777;
  expect(mode(registry)).toBe(0o700);
  expect(mode(`${registry}/${manifest.id}`)).toBe(0o700);
  expect(mode(`${registry}/${manifest.id}/manifest.json`)).toBe(0o600);
  chmodSync(registry, 0o777);
  expect(codeOf(() => open())).toBe("unsafe-registry");
});

test("two runs at once lose nothing", () => {
  const one = open();
  const two = open();
  recordRequest(one, request("a"));
  updateEntries(one, [file("/both", "a"), file("/one", "a"), file("/gone", "a")]);
  recordRequest(two, request("b"));
  updateEntries(two, [file("/both", "b"), file("/two", "b")]);
  saveManifest(one);
  saveManifest(two);
  removeEntries(one, ["/gone"]);
  saveManifest(one);
  const { content } = open();
  expect(content.requests.map(({ sections }) => sections)).toEqual([["a"], ["b"]]);
  expect([...content.entries.keys()].sort()).toEqual(["/both", "/one", "/two"]);
  expect(content.entries.get("/both")?.sections).toEqual(["a", "b"]);
});

test("a repeated request keeps its place", () => {
  const manifest = open();
  recordRequest(manifest, request("a"));
  recordRequest(manifest, request("b"));
  saveManifest(manifest);
  recordRequest(manifest, request("a", 9));
  updateEntries(manifest, [file("/f", "a")]);
  updateEntries(manifest, [file("/f", "b")], { replaceSections: true });
  saveManifest(manifest);
  const { content } = open();
  expect(content.requests).toEqual([request("a", 9), request("b")]);
  expect(content.entries.get("/f")?.sections).toEqual(["b"]);
  removeRequests(manifest, ({ sections }) => sections.includes("a"));
  saveManifest(manifest);
  expect(open().content.requests).toEqual([request("b")]);
});

test("what a request has brought, interrupted ones in another grouping need not bring any more", () => {
  const manifest = open();
  const both = { ...request("a"), sections: ["a", "b"], unfinished: true };
  const copied = { ...both, options: {} };
  const files = { ...both, tool: "jk_cp", sections: [], operands: ["a", "b"] };
  for (const one of [both, copied, files]) recordRequest(manifest, one);
  recordRequest(manifest, { ...request("c"), sections: ["c", "a"], unfinished: true });
  recordRequest(manifest, request("b", 9));
  saveManifest(manifest);
  expect(open().content.requests).toEqual([
    { ...both, sections: ["a"] },
    copied,
    files,
    { ...request("c"), sections: ["c", "a"], unfinished: true },
    request("b", 9),
  ]);
  recordRequest(manifest, { ...request("a"), sections: ["a", "c"] });
  saveManifest(manifest);
  expect(open().content.requests.map(({ sections }) => sections)).toEqual([
    ["a", "b"],
    [],
    ["b"],
    ["a", "c"],
  ]);
});

test("what a jail does without is kept until its contents are those of another one", () => {
  const manifest = open();
  recordRequest(manifest, request("a"));
  setRefused(manifest, "proc", true);
  setRefused(manifest, "log-socket", true);
  setRefused(manifest, "proc", false);
  saveManifest(manifest);
  expect(open().content.without).toEqual(["log-socket"]);
  expect([isRefused(open().content, "log-socket"), isRefused(open().content, "proc")]).toEqual([true, false]);
  setRefused(manifest, "log-socket", false);
  saveManifest(manifest);
  expect(open().content.without).toBeUndefined();
});

test("fields of a newer version are kept", () => {
  const manifest = open();
  updateEntries(manifest, [file("/f")]);
  recordRequest(manifest, request("a"));
  saveManifest(manifest);
  const path = `${registry}/${manifest.id}/manifest.json`;
  const json = JSON.parse(readFileSync(path, "utf8"));
  json.extra = { x: 1 };
  json.entries[0].digest = "d";
  json.requests[0].by = ["who"];
  // As the format is: the identity on the first line.
  writeFileSync(path, JSON.stringify(json).replace(',"requests"', ',\n"requests"'));
  const again = open();
  updateEntries(again, [file("/f", "new"), file("/g")]);
  saveManifest(again);
  const after = JSON.parse(readFileSync(path, "utf8"));
  expect([after.extra, after.entries[0].digest, after.requests[0].by]).toEqual([{ x: 1 }, "d", ["who"]]);
  expect(after.entries[0].sections).toEqual(["new"]);
  writeFileSync(path, JSON.stringify({ ...after, version: 2 }).replace(',"requests"', ',\n"requests"'));
  expect(codeOf(() => open())).toBe("bad-manifest");
});

test("a moved jail is known, another one in its place is not", () => {
  const manifest = open();
  writeFileSync(`${jail.path}/usr/f`, "x");
  updateEntries(manifest, [file("/usr/f")]);
  saveManifest(manifest);
  renameSync(jail.path, `${jail.base}/moved`);
  const moved = open(`${jail.base}/moved`);
  expect([moved.id, ...paths(moved)]).toEqual([manifest.id, "/usr/f"]);
  saveManifest(moved);
  expect(knownJails(registry).map((known) => known.jail.path)).toEqual([`${jail.base}/moved`]);
  mkdirSync(jail.path);
  const fresh = open();
  expect(fresh.id).not.toBe(manifest.id);
  expect(paths(fresh)).toEqual([]);
  saveManifest(fresh);
  expect(knownJails(registry).length).toBe(2);
  expect(forgetJail(fresh.id, registry)).toBe(true);
  expect(forgetJail(fresh.id, registry)).toBe(false);
  expect(paths(open(`${jail.base}/moved`))).toEqual(["/usr/f"]);
});

test("a jail that was created again gets a new record, a restored one does not", () => {
  const manifest = open();
  changeManifest(manifest, (content) => {
    content.live = ["/usr"];
    content.imported = "0123";
  });
  updateEntries(manifest, [file("/usr/f")]);
  recordRequest(manifest, request("a"));
  saveManifest(manifest);
  expect(open().content).toMatchObject({ live: ["/usr"], imported: "0123" });
  renameSync(jail.path, `${jail.base}/old`);
  mkdirSync(`${jail.path}/usr`, { recursive: true });
  writeFileSync(`${jail.path}/usr/f`, "x");
  expect(paths(open())).toEqual(["/usr/f"]);
  rmSync(`${jail.path}/usr/f`);
  const anew = open();
  expect([anew.id, ...paths(anew)]).toEqual([manifest.id]);
  recordRequest(anew, request("b"));
  saveManifest(anew);
  expect(open().content.requests).toEqual([request("b")]);
  expect([open().content.live, open().content.imported]).toEqual([undefined, undefined]);
  expect(paths(open())).toEqual([]);
});

test("damaged files are reported", () => {
  expect(parseManifest(toBytes("{"))).toBeUndefined();
  expect(parseManifest(toBytes("[]"))).toBeUndefined();
  const manifest = open();
  saveManifest(manifest);
  const path = `${registry}/${manifest.id}/manifest.json`;
  writeFileSync(path, `${readFileSync(path, "utf8").split("\n")[0]}\n`);
  expect(codeOf(() => open())).toBe("bad-manifest");
});

describe("a damaged record", () => {
  const fileOf = (id: string) => `${registry}/${id}/manifest.json`;
  const saved = (path = jail.path) => {
    const manifest = open(path);
    recordRequest(manifest, request("a"));
    saveManifest(manifest);
    return manifest;
  };
  const damaged = (...paths: string[]) =>
    readRegistry(paths, registry).damaged.map(({ id, error }) => [id, error.jail, error.reason]);

  test("names its jail, from its first line or by its id", () => {
    const { id } = saved();
    const text = readFileSync(fileOf(id), "latin1");
    writeFileSync(fileOf(id), text.slice(0, 30 + jail.path.length));
    expect(damaged()).toEqual([[id, jail.path, "is damaged"]]);
    expect(knownJails(registry)).toEqual([]);
    writeFileSync(fileOf(id), "");
    expect(damaged()).toEqual([[id, undefined, "is empty"]]);
    expect(damaged("/srv/other", jail.path)).toEqual([[id, jail.path, "is empty"]]);
    expect(codeOf(() => open())).toBe("bad-manifest");
  });

  test("names bytes that are not UTF-8", () => {
    mkdirSync(Buffer.from(`${jail.base}/caf\xe9`, "latin1"), { mode: 0o755 });
    const { id } = saved(`${jail.base}/caf\xe9`);
    writeFileSync(fileOf(id), readFileSync(fileOf(id)).subarray(0, 60 + jail.base.length));
    expect(damaged()).toEqual([[id, `${jail.base}/caf\xe9`, "is damaged"]]);
  });

  test("is not trusted unless it is root's alone", () => {
    const { id } = saved();
    for (const mode of [0o620, 0o602]) {
      chmodSync(fileOf(id), mode);
      // The second time, nothing is known from the first.
      for (let i = 0; i < 2; i++)
        expect(damaged()).toEqual([[id, jail.path, "can be written by users other than root"]]);
      expect(codeOf(() => open())).toBe("bad-manifest");
    }
    chmodSync(fileOf(id), 0o644);
    expect(damaged()).toEqual([]);
    chownSync(fileOf(id), 4001, 0);
    expect(damaged()).toEqual([[id, jail.path, "belongs to uid 4001, and not to root"]]);
    expect(codeOf(() => open())).toBe("bad-manifest");
  });

  test("is not read through a link that a user may have created", () => {
    const { id } = saved();
    const other = `${registry}/other`;
    for (const path of [fileOf(id), `${registry}/${id}`]) {
      renameSync(path, other);
      symlinkSync(path === fileOf(id) ? other : "other", path);
      // Everybody may write in /dev/shm.
      expect(codeOf(damaged)).toBe("link-in-untrusted-directory");
      unlinkSync(path);
      renameSync(other, path);
    }
  });

  test("of another jail is not overwritten by that of a new one", () => {
    const { id } = saved();
    const text = readFileSync(fileOf(id), "latin1").replace(jail.path, "/srv/moved");
    writeFileSync(fileOf(id), text.slice(0, 60));
    expect(damaged()).toEqual([[id, "/srv/moved", "is damaged"]]);
    expect(saved().id).toBe(`${id}-2`);
    expect(readFileSync(fileOf(id), "latin1")).toBe(text.slice(0, 60));
  });

  test("that appears while a tool runs is not overwritten", () => {
    const { id } = saved();
    const manifest = open();
    recordRequest(manifest, request("b"));
    writeFileSync(fileOf(id), "{");
    expect(codeOf(() => saveManifest(manifest))).toBe("bad-manifest");
    expect(readFileSync(fileOf(id), "latin1")).toBe("{");
  });
});

test("the entries are not parsed where a jail has a directory that it needs", () => {
  const entries = mock(() => new Map());
  const content = Object.defineProperty({ entries: new Map() }, "entries", { get: entries });
  expect(isEmptied(jail.root, content)).toBe(false);
  expect(entries).not.toHaveBeenCalled();
});

test("thousands of entries", () => {
  const manifest = open();
  updateEntries(
    manifest,
    Array.from({ length: 5000 }, (_, index) => file(`/usr/lib/${index}`, "a")),
  );
  expect(parseManifest(formatManifest(manifest.content))?.entries.size).toBe(5000);
});

test("fromJsonText undoes jsonText", () => {
  for (const bytes of [
    "",
    "abc",
    "\x00\x7f",
    "\x80",
    "\xff\xfe",
    "\xc3\xa9",
    "\xed\xb2\x80",
    "\xf0\x9f\x98\x80",
    "a\xc3b",
  ]) {
    expect(fromJsonText(JSON.parse(JSON.stringify(jsonText(bytes))))).toBe(bytes);
  }
});
