import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mountsBelow } from "../../src/jail/fs/unmount.ts";
import { openTree } from "../../src/jail/fs/walk.ts";
import { registerLogSocket } from "../../src/populate/apply/log-socket.ts";
import { changeFstab, LARGEST_FSTAB, withProcLine } from "../../src/populate/apply/proc.ts";
import { parseMounts } from "../../src/system/mountinfo.ts";
import {
  foreignMounts,
  removeProcLine,
  stillServed,
  unregisterLogSocket,
  withoutProcLine,
} from "../../src/update/remove-extras.ts";
import { codeOf, messageOf } from "./jail-helper.ts";
import { savedLongAgo } from "./saved-long-ago.ts";

savedLongAgo();

describe("fstab", () => {
  const others = "# /srv/j/proc is one\n/dev/vda / ext4 defaults 0 1\nproc /proc proc defaults 0 0\n";

  test("the line of a jail is removed, and nothing else", () => {
    for (const jail of ["/srv/j", "/srv/with blank", "/srv/back\\slash"]) {
      const text = withProcLine(others, jail) ?? "";
      expect(withoutProcLine(text, jail)).toBe(others);
      expect(withoutProcLine(others, jail)).toBeUndefined();
      expect(foreignMounts(text, jail)).toEqual([]);
    }
  });

  test("a jail with a longer name is another one", () => {
    const text = withProcLine(others, "/srv/jail2") ?? "";
    expect(withoutProcLine(text, "/srv/jail")).toBeUndefined();
    expect(foreignMounts(`${text}/srv/data /srv/jail2/data none bind 0 0\n`, "/srv/jail")).toEqual([]);
  });

  test("mounts of others in the jail stay, and are reported", () => {
    const folder = mkdtempSync("/dev/shm/jailkit-fstab-");
    try {
      const text = `${withProcLine(others, "/srv/j")}/srv/data /srv/j/data none bind 0 0\n`;
      const live = "/usr /srv/j/usr none bind,ro,nosuid,nodev,private,nofail,x-jailkit 0 0\n";
      expect(foreignMounts(`${live}${text}`, "/srv/j")).toEqual([
        { line: 6, text: "/srv/data /srv/j/data none bind 0 0", where: "/srv/j/data" },
      ]);
      writeFileSync(`${folder}/fstab`, text);
      chmodSync(`${folder}/fstab`, 0o640);
      const remove = () => removeProcLine("/srv/j", folder, `${folder}/jails`);
      expect(remove()).toBe(true);
      expect(readFileSync(`${folder}/fstab`, "utf8")).toBe(`${others}/srv/data /srv/j/data none bind 0 0\n`);
      expect(remove()).toBe(false);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

test("fstab stays as it is if it would become longer than what is read", () => {
  const folder = mkdtempSync("/dev/shm/jailkit-fstab-");
  const text = `#${"x".repeat(LARGEST_FSTAB - 10)}\n`;
  try {
    writeFileSync(`${folder}/fstab`, text);
    using root = openTree(folder);
    const add = () => changeFstab(root, (now) => withProcLine(now, "/srv/j"), "", `${folder}/jails`);
    expect([codeOf(add), messageOf(add)]).toEqual([
      "file-full",
      expect.stringContaining(`${folder}/fstab would have `),
    ]);
    expect(readFileSync(`${folder}/fstab`, "utf8") === text).toBe(true);
  } finally {
    rmSync(folder, { recursive: true });
  }
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
      expect(stillServed("/srv/j", folder)).toBeUndefined();
      expect(unregisterLogSocket("/srv/j", folder)).toBe(path);
      expect(existsSync(path)).toBe(false);
      expect(unregisterLogSocket("/srv/j", folder)).toBeUndefined();
      const left = `${folder}/jk_socketd.ini`;
      writeFileSync(left, "# ours\n[/srv/k/dev/log]\nbase = 600\n# theirs\n[/srv/l/dev/log]\n");
      expect(unregisterLogSocket("/srv/k", folder)).toBeUndefined();
      expect(stillServed("/srv/k", folder)).toBe(
        `${left}:2 still names /srv/k/dev/log; take the section out with: sed -i '2,3s/^/#/' ${left}`,
      );
      expect(readFileSync(left, "utf8")).toContain("/srv/k");
      const both = registerLogSocket("/srv/m", folder) ?? "";
      const more = `${folder}/jk_socketd.d/z.ini`;
      writeFileSync(left, "# ours\n[/srv/k/dev/log]\n[/srv/m/dev/log]\n");
      writeFileSync(more, "[/srv/m/dev/log]\n");
      const said = `${left}:3 and ${more}:1 still name /srv/m/dev/log; take the sections out with: `;
      const remedy = `sed -i '3s/^/#/' ${left} && sed -i '1s/^/#/' ${more}`;
      expect(stillServed("/srv/m", folder)).toBe(said + remedy);
      expect(unregisterLogSocket("/srv/m", folder)).toBe(both);
      expect(existsSync(both)).toBe(false);
      expect(stillServed("/srv/m", folder)).toBe(said + remedy);
      expect(unregisterLogSocket("/srv/m", folder)).toBeUndefined();
      // What somebody added to the drop-in stays: it is the administrator's then.
      const added = registerLogSocket("/srv/n", folder) ?? "";
      writeFileSync(added, `${readFileSync(added, "utf8")}\n[/srv/other/dev/log]\n`);
      expect(unregisterLogSocket("/srv/n", folder)).toBeUndefined();
      expect(stillServed("/srv/n", folder)).toContain(`${added}:2 still names /srv/n/dev/log;`);
      mkdirSync(`${folder}/empty`);
      expect(unregisterLogSocket("/srv/j", `${folder}/empty`)).toBeUndefined();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
