import { AT_FDCWD, RENAME_EXCHANGE } from "../../ffi/constants.ts";
import { cArgument, libc } from "../../ffi/libc.ts";

/**
 * A jailed user's process: exchanges two names as fast as it can, `count` times or until it is killed. Arguments:
 * uid, count, the two paths. Says "started" once it has exchanged them for the first time.
 */
const [uid = "", count = "", first = "", second = ""] = process.argv.slice(2);
const id = Number(uid);
if (libc.setgroups(0, null) < 0 || libc.setresgid(id, id, id) < 0 || libc.setresuid(id, id, id) < 0)
  process.exit(2);
for (let i = 0; i < Number(count); i++) {
  const failed = libc.renameat2(AT_FDCWD, cArgument(first), AT_FDCWD, cArgument(second), RENAME_EXCHANGE) < 0;
  // Later, root may be removing or replacing one of them.
  if (failed && i === 0) process.exit(3);
  if (i === 0) process.stdout.write("started\n");
}
