/** Packages for the other machine: built here, and what they install is started under qemu-user in a chroot. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VERSION } from "../../src/cli/version.ts";
import { checkout } from "../machine/helper.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { bring, buildPackages, privilegeOf } from "./packages-scene.ts";

setDefaultTimeout(300_000);

const needed = ["qemu-aarch64", "aarch64-linux-gnu-gcc"];
const missing = process.arch !== "x64" || needed.some((name) => Bun.which(name) === null);
const scratch = "/srv/arm";

describe.skipIf(missing)("packages for aarch64", () => {
  let m: Machine;
  let folder: string;

  beforeAll(async () => {
    folder = fs.mkdtempSync(join(tmpdir(), "jailkit-packages-"));
    const tools = ["jailkit", "jk_chrootsh", "jk_procmailwrapper", "jk_uchroot"];
    const words = [process.execPath, join(checkout, "build/compile.ts"), "--target", "arm64", ...tools];
    const { success, stderr } = Bun.spawnSync(words, { cwd: checkout, stdin: "ignore" });
    if (!success) throw new Error(stderr.toString());
    buildPackages(join(checkout, "dist/arm64"), folder, ["--fast", "--arch", "arm64"]);
    m = await openMachine();
    for (const path of ["bin", "lib"]) m.mkdir(`${scratch}/usr/${path}`);
    for (const path of ["bin", "lib"]) m.symlink(`usr/${path}`, `${scratch}/${path}`);
    const libraries = ["ld-linux-aarch64.so.1", "libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2"];
    for (const name of libraries) m.must(["cp", `/usr/aarch64-linux-gnu/lib/${name}`, `${scratch}/lib/`]);
    m.write(`${scratch}/bin/qemu`, fs.readFileSync(Bun.which("qemu-aarch64") ?? ""), { mode: 0o755 });
  });
  afterAll(async () => {
    await m?.close();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  const works = (root: string) => {
    const words = ["chroot", root, "/bin/qemu", "-0", "jk_cp", "/usr/sbin/jk_cp", "--version"];
    expect(m.run(words)).toMatchObject({ status: 0, stdout: `jk_cp (jailkit) ${VERSION}\n` });
    expect(m.must(["file", "-b", `${root}/usr/sbin/jk_chrootsh`]).stdout).toContain("ARM aarch64");
  };

  test("all of them, under the names of their machine", () => {
    const tail = `${VERSION}-1`;
    expect(fs.readdirSync(folder).sort()).toEqual(
      [
        "SHA256SUMS",
        `jailkit-${tail}.aarch64.rpm`,
        `jailkit-${VERSION}-linux-aarch64.cdx.json`,
        `jailkit-${VERSION}-linux-aarch64.tar.zst`,
        `jailkit-procmail-${tail}.aarch64.rpm`,
        `jailkit-procmail_${tail}_arm64.deb`,
        `jailkit_${tail}_arm64.deb`,
      ].sort(),
    );
  });

  test("the deb", () => {
    const [deb = ""] = bring(m, "/root", join(folder, `jailkit_${VERSION}-1_arm64.deb`));
    expect(m.must(["dpkg-deb", "-f", deb, "Architecture"]).stdout).toBe("arm64\n");
    m.must(["cp", "-a", scratch, "/srv/deb"]);
    m.must(["dpkg-deb", "-x", deb, "/srv/unpacked"]);
    m.must(["cp", "-a", "/srv/unpacked/.", "/srv/deb/"]);
    works("/srv/deb");
  });

  test("the rpm", () => {
    const [rpm = ""] = bring(m, "/root", join(folder, `jailkit-${VERSION}-1.aarch64.rpm`));
    m.must(["cp", "-a", scratch, "/srv/rpm"]);
    m.must(["rpm", "--root", "/srv/rpm", "--nodeps", "--noscripts", "--ignorearch", "-i", rpm]);
    expect(privilegeOf(m, "/srv/rpm/usr/sbin/jk_chrootsh")).toBe("root:root 755 cap_sys_chroot=ep");
    works("/srv/rpm");
  });

  test("the archive of plain files", () => {
    const name = `jailkit-${VERSION}-linux-aarch64`;
    const [tar = ""] = bring(m, "/root", join(folder, `${name}.tar.zst`));
    m.must(["tar", "-C", "/root", "-xf", tar]);
    m.must(["cp", "-a", scratch, "/srv/plain"]);
    m.must(["sh", `/root/${name}/install.sh`, "/srv/plain"]);
    expect(privilegeOf(m, "/srv/plain/usr/sbin/jk_chrootsh")).toBe("root:root 755 cap_sys_chroot=ep");
    works("/srv/plain");
  });
});
