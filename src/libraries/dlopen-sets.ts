import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { parseNsswitch } from "../system/name-services.ts";
import { createImportFilter, type ImportFilter } from "./elf/symbols.ts";
import type { RootView } from "./root-view.ts";

/** A file that a program may load at run time; searched as a library if `name` has no slash. */
interface DlopenRequest {
  name: ByteString;
  reason: string;
}

interface DlopenContext {
  view: RootView;
  /** The functions that the program and its libraries import. */
  imports: ReadonlySet<string>;
  /** The directory of the C library: its plug-ins are below it. */
  libcDirectory: ByteString;
  /** The path of OpenSSL's libcrypto, if it is loaded. */
  libcrypto: ByteString | undefined;
}

/** Libraries that are loaded with dlopen(3), without a trace in the ELF file. Missing ones are skipped. */
interface DlopenSet {
  /** At least one of these functions must be imported. */
  imports: readonly string[];
  requests(context: DlopenContext): DlopenRequest[];
}

/** nsswitch.conf(5): which functions ask which database. */
const databases: Record<string, readonly string[]> = {
  passwd: ["getpwnam", "getpwnam_r", "getpwuid", "getpwuid_r", "getpwent", "getpwent_r"],
  group: ["getgrnam", "getgrnam_r", "getgrgid", "getgrgid_r", "getgrent", "getgrent_r"],
  initgroups: ["getgrouplist", "initgroups"],
  shadow: ["getspnam", "getspnam_r", "getspent", "getspent_r"],
  hosts: [
    ...["getaddrinfo", "getnameinfo", "gethostbyname", "gethostbyname_r", "gethostbyname2"],
    ...["gethostbyname2_r", "gethostbyaddr", "gethostbyaddr_r", "gethostent"],
  ],
  services: ["getservbyname", "getservbyname_r", "getservbyport", "getservbyport_r", "getservent"],
  protocols: ["getprotobyname", "getprotobyname_r", "getprotobynumber", "getprotobynumber_r"],
  networks: ["getnetbyname", "getnetbyaddr"],
  netgroup: ["innetgr", "setnetgrent"],
};

/** The services that glibc uses for a database that is missing in nsswitch.conf. */
const defaultServices: Record<string, ByteString[]> = { hosts: ["files", "dns"], initgroups: [] };

const LARGEST_NSSWITCH = 1 << 16;

function nssModules({ view, imports }: DlopenContext): DlopenRequest[] {
  const bytes = view.readFile("/etc/nsswitch.conf", LARGEST_NSSWITCH);
  const configured = parseNsswitch(bytes === undefined ? "" : fromBytes(bytes));
  const requests = new Map<ByteString, DlopenRequest>();
  for (const [database, functions] of Object.entries(databases)) {
    const used = functions.find((name) => imports.has(name));
    if (used === undefined) continue;
    // Without a line of its own, as in most files, initgroups uses that of group.
    const key = configured.has(database) || database !== "initgroups" ? database : "group";
    for (const service of configured.get(key) ?? defaultServices[key] ?? ["files"]) {
      const name = `libnss_${service}.so.2`;
      requests.set(name, { name, reason: `${used}, ${key}: ${service} in /etc/nsswitch.conf` });
    }
  }
  return [...requests.values()];
}

/** Common encodings. UTF-8 and ASCII are built into the C library. */
const gconvModules = "UTF-16.so UTF-32.so UTF-7.so UNICODE.so ISO8859-1.so ISO8859-15.so CP1252.so".split(
  " ",
);

/** Plug-ins have a compiled-in path below /usr, even if the library itself was found in /lib. */
function pluginDirectory(view: RootView, libraryDirectory: ByteString, name: string): ByteString {
  const own = `${libraryDirectory}/${name}`;
  return own.startsWith("/lib") && view.isDirectory(`/usr${own}`) ? `/usr${own}` : own;
}

function gconv({ view, libcDirectory }: DlopenContext): DlopenRequest[] {
  const directory = pluginDirectory(view, libcDirectory, "gconv");
  const parts = (view.list(`${directory}/gconv-modules.d`) ?? []).filter((name) => name.endsWith(".conf"));
  const configuration = ["", ".cache", ...parts.map((name) => `.d/${name}`)];
  const files = [...configuration.map((suffix) => `gconv-modules${suffix}`), ...gconvModules];
  return files.map((name) => ({ name: `${directory}/${name}`, reason: "iconv_open" }));
}

function providers({ view, libcrypto }: DlopenContext): DlopenRequest[] {
  if (libcrypto === undefined) return [];
  const directory = pluginDirectory(view, directoryOf(libcrypto), "ossl-modules");
  const names = view.list(directory) ?? [];
  return names.map((name) => ({ name: `${directory}/${name}`, reason: "OSSL_PROVIDER_load" }));
}

const sets: readonly DlopenSet[] = [
  { imports: Object.values(databases).flat(), requests: nssModules },
  { imports: ["iconv_open"], requests: gconv },
  {
    // The C library uses it to unwind the stack.
    imports: ["pthread_cancel", "pthread_exit", "thrd_exit", "backtrace"],
    requests: () => [{ name: "libgcc_s.so.1", reason: "pthread_cancel, pthread_exit or backtrace" }],
  },
  { imports: ["OSSL_PROVIDER_load", "OSSL_PROVIDER_try_load"], requests: providers },
];

/** All functions that the sets look for. */
export const dlopenFunctions: ImportFilter = createImportFilter(sets.flatMap((set) => set.imports));

/** Finds the files that a glibc program may load, from its imports. */
export type DlopenSets = (context: Omit<DlopenContext, "view">) => DlopenRequest[];

/** The sets for the system of `view`; its configuration is read once for each combination of imports. */
export function createDlopenSets(view: RootView): DlopenSets {
  const results = new Map<string, DlopenRequest[]>();
  return (context) => {
    const asked = [...context.imports].sort().join(" ");
    const key = `${context.libcDirectory}\0${context.libcrypto}\0${asked}`;
    return results.getOrInsertComputed(key, () => {
      const used = sets.filter((set) => set.imports.some((name) => context.imports.has(name)));
      return used.flatMap((set) => set.requests({ ...context, view }));
    });
  };
}
