import { type ByteString, cString } from "./bytes.ts";
import { EINVAL } from "./constants.ts";
import { addressOf, check, errno, syscall } from "./libc.ts";

const SYS_memfd_create = process.arch === "arm64" ? 279 : 319;
const MFD_CLOEXEC = 1;
const MFD_HUGETLB = 4;
const MFD_NOEXEC_SEAL = 8;
const HUGE_SHIFT = 26;

/** A file in memory: memfd_create(2). `log2`: of huge pages of that size, none of which it takes while it is empty. Throws SystemError. */
export function memoryFile(name: ByteString, log2?: number): number {
  const pages = log2 === undefined ? 0 : MFD_HUGETLB + log2 * 2 ** HUGE_SHIFT;
  const bytes = cString(name);
  const make = (flags: number) => syscall(SYS_memfd_create, addressOf(bytes), flags + pages);
  // With vm.memfd_noexec = 2, one that could be executed is refused. Before Linux 6.3 the flag is unknown (EINVAL).
  const fd = make(MFD_CLOEXEC | MFD_NOEXEC_SEAL);
  return check(fd < 0 && errno() === EINVAL ? make(MFD_CLOEXEC) : fd, "memfd_create");
}
