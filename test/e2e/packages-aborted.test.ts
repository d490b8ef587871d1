/** An interrupted upgrade from Debian's jailkit 2.23 leaves exactly one complete version. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";
import { bring, oldPackage, packages, privilegeOf, stateOf } from "./packages-scene.ts";

setDefaultTimeout(300_000);

const uchroot = "/usr/bin/jk_uchroot";
const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", DEBIAN_FRONTEND: "noninteractive" };
const dpkg = (...words: string[]) => m.run(["dpkg", ...words], { env });

let m: Machine;
let deb: string;
let old: Uint8Array;

beforeEach(async () => {
  m = await openMachine();
  [deb = ""] = bring(m, "/root", packages().deb);
  old = m.readBytes(uchroot);
});
afterEach(() => m?.close());

/** Nothing is left of what keeps the old jk_uchroot until the new one can work. */
function expectNoTraces(): void {
  expect(m.must(["dpkg-divert", "--list", uchroot]).stdout).toBe("");
  expect(m.list("/usr/bin").filter((name) => name.startsWith("jk_uchroot."))).toEqual([]);
}

test("if it cannot be unpacked, 2.23 is there as before", () => {
  // The file that comes last belongs to another package.
  const folder = "/root/clash";
  m.write(`${folder}/usr/share/zsh/vendor-completions/_jailkit`, "");
  m.write(
    `${folder}/DEBIAN/control`,
    "Package: clash\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@localhost>\nDescription: a clash\n",
  );
  m.must(["dpkg-deb", "--build", folder, "/root/clash.deb"]);
  expect(dpkg("-i", "/root/clash.deb").status).toBe(0);
  const result = dpkg("-i", deb);
  expect(result.status).not.toBe(0);
  expect(result.stderr).toContain("trying to overwrite '/usr/share/zsh/vendor-completions/_jailkit'");
  expect(stateOf(m, "jailkit")).toStartWith("ii  2.23-");
  expect(m.exists("/usr/sbin/jailkit")).toBe(false);
  expect(m.readBytes(uchroot)).toEqual(old);
  expect(privilegeOf(m, uchroot)).toBe("root:root 4755");
  expectNoTraces();
});

test("unpacked and then removed, it leaves no program of either version", () => {
  expect(dpkg("--unpack", deb).status).toBe(0);
  expect(m.readBytes(uchroot)).toEqual(old);
  expect(dpkg("--remove", "jailkit")).toMatchObject({ status: 0 });
  for (const folder of ["/usr/sbin", "/usr/bin"])
    expect(m.list(folder).filter((name) => /^j(?:k_|ailkit)/.test(name))).toEqual([]);
  expectNoTraces();
});

test("unpacked, then 2.23 again: 2.23 is there, with its own jk_uchroot", () => {
  const before = oldPackage(m);
  expect(dpkg("--unpack", deb).status).toBe(0);
  expect(dpkg("-i", before)).toMatchObject({ status: 0 });
  expect(stateOf(m, "jailkit")).toStartWith("ii  2.23-");
  expect(m.readBytes(uchroot)).toEqual(old);
  expect(m.exists("/usr/sbin/jailkit")).toBe(false);
  expectNoTraces();
});

test("a diversion of the administrator's stays", () => {
  const theirs = ["--local", "--no-rename", "--divert", "/usr/bin/jk_uchroot.theirs"];
  m.must(["dpkg-divert", ...theirs, "--add", uchroot]);
  expect(dpkg("-i", "--force-confold", deb).status).toBe(0);
  expect(m.must(["dpkg-divert", "--truename", uchroot]).stdout).toBe("/usr/bin/jk_uchroot.theirs\n");
  expect(m.readBytes(uchroot)).toEqual(old);
});
