import { expect, test } from "bun:test";
import { placesWithHiddenMounts } from "../../src/jail/fs/covered.ts";
import { parseMounts } from "../../src/system/mountinfo.ts";

const AUTOFS =
  "rw,relatime shared:5 - autofs systemd-1 rw,fd=51,pgrp=1,timeout=0,minproto=5,maxproto=5,direct";
const EXT4 = "rw,relatime shared:9 - ext4 /dev/sdb1 rw";

test.each<[string, string[], string[]]>([
  ["one mount", [`/srv/a/data ${EXT4}`], []],
  ["an automount that nothing has used", [`/srv/a/data ${AUTOFS}`], []],
  ["an automount, and what it has mounted", [`/srv/a/data ${AUTOFS}`, `/srv/a/data ${EXT4}`], []],
  ["two file systems", [`/srv/a/data ${EXT4}`, `/srv/a/data ${EXT4}`], ["/data"]],
  ["an automount on a file system", [`/srv/a/data ${EXT4}`, `/srv/a/data ${AUTOFS}`], ["/data"]],
  [
    "an automount that has mounted twice",
    [`/srv/a/data ${AUTOFS}`, `/srv/a/data ${EXT4}`, `/srv/a/data ${EXT4}`],
    ["/data"],
  ],
  ["two places", [`/srv/a/data ${EXT4}`, `/srv/a/more ${EXT4}`], []],
  ["other directories", [`/srv ${EXT4}`, `/srv ${EXT4}`, `/srv/ab ${EXT4}`, `/srv/ab ${EXT4}`], []],
  ["the jail itself", [`/srv/a ${EXT4}`, `/srv/a ${EXT4}`], []],
])("mounts that hide files of a lower one: %s", (_what, lines, found) => {
  const text = lines.map((line, at) => `${at + 30} 28 8:${at} / ${line}\n`).join("");
  expect([...placesWithHiddenMounts(parseMounts(text), "/srv/a")]).toEqual(found);
});
