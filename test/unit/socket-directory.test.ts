import { expect, test } from "bun:test";
import { socketDirectory, socketDirectoryFault } from "../../src/jail/fs/socket-directory.ts";

test("the directory of a socket is mounted if it is one of its own below /run", () => {
  expect(socketDirectory("/run/mysqld/mysqld.sock")).toBe("/run/mysqld");
  expect(socketDirectory("/var/run/mysqld/mysqld.sock")).toBe("/run/mysqld");
  expect(socketDirectory("/run/a/b/c")).toBe("/run/a/b");
});

test.each([
  "/run/docker.sock",
  "/var/run/docker.sock",
  "/tmp/mysql.sock",
  "/var/lib/mysql/mysql.sock",
  "/etc/passwd",
  "/",
  "",
  "run/mysqld/mysqld.sock",
  "/run/mysqld/../x/y",
  "/run/./mysqld/y",
  "/run//mysqld/y",
  "/run/mysqld/",
  "/run/mysqld/..",
  "/runs/mysqld/y",
  "/run/a\n/b/c",
])("%j is refused", (path) => {
  expect(socketDirectory(path)).toBeUndefined();
});

test("the directory belongs to the account of a service, and not everyone can write it", () => {
  const fault = (uid: number, mode: number) => socketDirectoryFault({ uid, mode: 0o040000 | mode }, 1000);
  expect(fault(101, 0o755)).toBeUndefined();
  expect(fault(999, 0o2775)).toBeUndefined();
  expect(fault(0, 0o755)).toContain("belongs to root");
  expect(fault(1000, 0o755)).toContain("uid 1000");
  expect(fault(101, 0o1777)).toContain("writable by everyone");
});
