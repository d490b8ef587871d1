import { expect, test } from "bun:test";
import { systemOf } from "../../src/jail/fs/host-mounts.ts";

const systems = [
  { name: "/usr", device: "8:1", path: "/usr" },
  { name: "/usr/local", device: "8:3", path: "/" },
  { name: "/opt", device: "8:1", path: "/opt" },
];
const jail = { device: "8:1", path: "/opt/jails/j" };
const of = (device: string, path: string, uid = 0) => systemOf({ device, path, uid }, jail, systems);

test("a mount is the host's own if it is one of its directories, is in one, or contains one", () => {
  expect(of("8:1", "/usr")).toBe("/usr");
  expect(of("8:1", "/usr/share")).toBe("/usr");
  expect(of("8:1", "/")).toBe("/usr");
  expect(of("8:3", "/")).toBe("/usr/local");
  expect(of("8:3", "/lib")).toBe("/usr/local");
  expect(of("8:1", "/opt/tool")).toBe("/opt");
});

test("another file system and other directories are not", () => {
  expect(of("8:2", "/")).toBeUndefined();
  expect(of("8:2", "/usr")).toBeUndefined();
  expect(of("8:1", "/home/customer")).toBeUndefined();
  expect(of("8:1", "/usrlocal")).toBeUndefined();
  expect(systemOf({ device: "8:1", path: "/home", uid: 0 }, undefined, [])).toBeUndefined();
});

test("a user's directory in /opt is not; in /usr it is", () => {
  expect(of("8:1", "/opt/homes/u", 1000)).toBeUndefined();
  expect(of("8:1", "/usr/share/u", 1000)).toBe("/usr");
  expect(of("8:1", "/", 1000)).toBe("/usr");
});

test("a directory of the jail itself is not, wherever the jail is", () => {
  expect(of("8:1", "/opt/jails/j/home2")).toBeUndefined();
  expect(of("8:1", "/opt/jails/j")).toBeUndefined();
  expect(of("8:1", "/opt/jails/k/home")).toBe("/opt");
});
