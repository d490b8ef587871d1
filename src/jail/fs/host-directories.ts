import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { kernelFileSystem } from "../../system/mounts.ts";
import { noJailAt } from "./no-jails.ts";
import { requireSafeJail } from "./safety.ts";
import type { JailRoot } from "./walk.ts";

/** Throws JailkitError for a directory in a file system of the kernel, such as proc: no jail can be in it. */
export function requireFileSystem({ path, fd }: Pick<JailRoot, "path" | "fd">, exitStatus: number): void {
  const type = kernelFileSystem(fd);
  if (type === undefined) return;
  const message = `${display(path)}: is in a file system of the kernel (${type}), which cannot hold a jail; name a directory elsewhere, such as /srv/jail`;
  throw new JailkitError("kernel-file-system", exitStatus, message);
}

/** Throws JailkitError if the jail is one of the host's own directories or is unsafe: nothing may be written into it. */
export function requireJailToFill(root: JailRoot, exitStatus: number): void {
  const found = noJailAt(root.top.stat);
  if (found !== undefined) {
    const message = `${display(root.path)}: is the host's ${found}, which cannot be a jail; name a directory of its own, such as /srv/jail`;
    throw new JailkitError("host-directory", exitStatus, message);
  }
  requireFileSystem(root, exitStatus);
  requireSafeJail(root, exitStatus);
}
