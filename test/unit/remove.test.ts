import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mountsBelow } from "../../src/jail/fs/unmount.ts";
import { registerLogSocket } from "../../src/populate/apply/log-socket.ts";
import { withProcLine } from "../../src/populate/apply/proc.ts";
import { parseMounts } from "../../src/system/mountinfo.ts";
import {
  fstabMounts,
  removeProcLine,
  unregisterLogSocket,
  withoutProcLine,
} from "../../src/update/remove-extras.ts";

describe("fstab", () => {
  const others = "# /srv/j/proc is one\n/dev/vda / ext4 defaults 0 1\nproc /proc proc defaults 0 0\n";

  test("the line of a jail is removed, and nothing else", () => {
    for (const jail of ["/srv/j", "/srv/with blank", "/srv/back\\slash"]) {
      const text = withProcLine(others, jail) ?? "";
      expect(withoutProcLine(text, jail)).toBe(others);
      expect(withoutProcLine(others, jail)).toBeUndefined();
      expect(fstabMounts(text, jail).length).toBe(1);
    }
  });

  test("a jail with a longer name is another one", () => {
    const text = withProcLine(others, "/srv/jail2") ?? "";
    expect(withoutProcLine(text, "/srv/jail")).toBeUndefined();
    expect(fstabMounts(text, "/srv/jail")).toEqual([]);
  });

  test("mounts of others in the jail stay, and are reported", () => {
    const folder = mkdtempSync("/dev/shm/jailkit-fstab-");
    try {
      const text = `${withProcLine(others, "/srv/j")}/srv/data /srv/j/data none bind 0 0\n`;
      writeFileSync(`${folder}/fstab`, text);
      chmodSync(`${folder}/fstab`, 0o640);
      const remove = () => removeProcLine("/srv/j", folder, `${folder}/jails`);
      expect(remove()).toEqual({ removed: true, left: ["/srv/j/data"] });
      expect(readFileSync(`${folder}/fstab`, "utf8")).toBe(`${others}/srv/data /srv/j/data none bind 0 0\n`);
      expect(remove().removed).toBe(false);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("mountinfo", () => {
  const line = (id: number, where: string, type: string) =>
    `${id} 1 0:${id} / ${where} rw,relatime shared:${id} - ${type} ${type} rw`;
  const text = [
    line(20, "/", "ext4"),
    line(21, "/srv/j", "xfs"),
    line(22, "/srv/j/proc", "proc"),
    line(23, "/srv/j/with\\040blank", "tmpfs"),
    line(24, "/srv/jail2/proc", "proc"),
    "",
  ].join("\n");

  test("the mounts in a jail, the last first", () => {
    expect(mountsBelow("/srv/j", parseMounts(text))).toEqual([
      { path: "/with blank", type: "tmpfs" },
      { path: "/proc", type: "proc" },
      { path: "/", type: "xfs" },
    ]);
    expect(mountsBelow("/srv/other", parseMounts(text))).toEqual([]);
  });
});

describe("the log socket", () => {
  test("is not served any more; a file of the administrator stays", () => {
    const folder = mkdtempSync("/dev/shm/jailkit-etc-");
    chmodSync(folder, 0o755);
    try {
      const path = registerLogSocket("/srv/j", folder) ?? "";
      expect(existsSync(path)).toBe(true);
      expect(unregisterLogSocket("/srv/j", folder)).toEqual({ removed: path, left: undefined });
      expect(existsSync(path)).toBe(false);
      expect(unregisterLogSocket("/srv/j", folder)).toEqual({ removed: undefined, left: undefined });
      writeFileSync(`${folder}/jk_socketd.ini`, "[/srv/k/dev/log]\n");
      const left = `${folder}/jk_socketd.ini`;
      expect(unregisterLogSocket("/srv/k", folder)).toEqual({ removed: undefined, left });
      expect(readFileSync(left, "utf8")).toContain("/srv/k");
      mkdirSync(`${folder}/empty`);
      expect(unregisterLogSocket("/srv/j", `${folder}/empty`).removed).toBeUndefined();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
