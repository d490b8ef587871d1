import { describe, expect, test } from "bun:test";
import { unmountedAbove, unmountedBelow } from "../../src/jail/fs/unmounted.ts";

const FSTAB = `# <file system> <mount point>
/dev/sda1 / ext4 defaults 0 1
UUID=1 none swap sw 0 0
#/dev/sdx1 /srv ext4 defaults 0 2
  /dev/sdb1\t/srv/a\\040disk/ ext4 nofail 0 2
/dev/sdc1 /srv/a\\040disk/deep xfs noauto 0 2
/usr /srv/a\\040disk/deep/j/usr none bind 0 0
/dev/sdd1 /srv/other ext4 defaults 0 2
proc //srv/other/proc/ proc defaults 0 0
tmpfs /srv/other/tmp tmpfs mode=1777 0 0
/srv/web /srv/other/web none bind,noauto 0 0
`;
/** /var/www is a link to /srv. */
const realOf = (path: string) => path.replace(/^\/var\/www(?=\/|$)/, "/srv");
const known = (mounts: string, fstab = FSTAB) => ({ fstab, mounts, realOf });
const ROOT = "/dev/sda1 / ext4 rw 0 0\n";
const DISK = "/dev/sdb1 /srv/a\\040disk ext4 rw 0 0\n";

test.each([
  ["/srv/a disk/j", ROOT, ["/srv/a disk"]],
  ["/srv/a disk/j", ROOT + DISK, []],
  ["/srv/a disk", ROOT, ["/srv/a disk"]],
  ["/srv/a disk/deep/j", ROOT, ["/srv/a disk", "/srv/a disk/deep"]],
  ["/srv/a disk/deep/j", ROOT + DISK, ["/srv/a disk/deep"]],
  ["/srv/a disks/j", ROOT, []],
  ["/srv/j", ROOT, []],
])("what is not mounted at or above %s", (path, mounts, missing) => {
  expect(unmountedAbove(path, known(mounts))).toEqual(missing);
});

test.each([
  ["/srv/other", ROOT, ["/srv/other/web"]],
  ["/srv/other", `${ROOT}/dev/sda1 /srv/other/web ext4 rw 0 0\n`, []],
  ["/srv/a disk", ROOT, ["/srv/a disk/deep", "/srv/a disk/deep/j/usr"]],
  ["/srv/a", ROOT, []],
])("what with files is not mounted below %s", (path, mounts, missing) => {
  expect(unmountedBelow(path, known(mounts))).toEqual(missing);
});

describe("a mount point that fstab(5) names by way of a link", () => {
  const fstab = "/dev/sdb1 /var/www/a ext4 noauto 0 2\n/srv/web /var/www/a/web none bind,noauto 0 0\n";
  const mounted = "/dev/sdb1 /srv/a ext4 rw 0 0\n";

  test.each([
    ["/srv/a/j", ROOT, ["/var/www/a"]],
    ["/var/www/a/j", ROOT, ["/var/www/a"]],
    ["/srv/a/web/j", ROOT + mounted, ["/var/www/a/web"]],
    ["/srv/a/j", ROOT + mounted, []],
  ])("is found above %s", (path, mounts, missing) => {
    expect(unmountedAbove(path, known(mounts, fstab))).toEqual(missing);
  });

  test("is found below", () => {
    expect(unmountedBelow("/srv/a", known(ROOT, fstab))).toEqual(["/var/www/a/web"]);
    const both = `${ROOT}${mounted}/dev/sdb1 /srv/a/web ext4 rw 0 0\n`;
    expect(unmountedBelow("/srv/a", known(both, fstab))).toEqual([]);
  });
});
