import { expect, test } from "bun:test";
import { localMounts } from "../../src/jails/adopt-search.ts";

test("only local file systems that may have jails are searched", () => {
  const mounts = [
    "/dev/sda1 / ext4 rw 0 0",
    "/dev/sdb1 /with\\040blank xfs rw 0 0",
    "server:/x /net nfs4 rw 0 0",
    "tmpfs /run tmpfs rw 0 0",
    "tank/j /tank zfs rw 0 0",
    "",
  ];
  expect(localMounts(mounts.join("\n"))).toEqual(["/with blank", "/tank"]);
});
