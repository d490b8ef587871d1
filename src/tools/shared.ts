import type { Programs } from "./jailkit.ts";

/**
 * The start of the executable of all tools. For a program that a login starts it loads one file, which
 * build/executable.ts has made of all that the program needs: the many parts that it shares with other tools would cost a
 * login a tenth of its time. Others can wait for them. The guard names that program (program_variable in ffi/guard/main.c); a caller cannot.
 */
const PROGRAMS: Programs = {
  jk_chrootsh: async () => ({ main: (await import("#bundle/logins")).chrootsh }),
  jk_lsh: async () => ({ main: (await import("#bundle/logins")).lsh }),
  jk_procmailwrapper: () => import("./jk_procmailwrapper.ts"),
  jk_uchroot: () => import("./jk_uchroot.ts"),
};

const login = Bun.isMainThread ? PROGRAMS[process.env.JAILKIT_PROGRAM ?? ""] : undefined;
if (login !== undefined) await (await login()).main();
const jailkit = await import("./jailkit.ts");
if (Bun.isMainThread) await jailkit.main(PROGRAMS);
