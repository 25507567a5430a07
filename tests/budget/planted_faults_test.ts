/**
 * Plants faults in a copy of the source of budgets, to prove that the tests of budgets find these faults.
 *
 * @module
 */
import { type Fault, testPlantedFaults } from "../mutant.ts";

const UNIT = ["tests/budget/ledger_test.ts", "tests/budget/budget_test.ts"];
const PROCESSES = ["tests/budget/many_processes_test.ts"];
const WAITING = ["tests/budget/waiting_test.ts"];

const FAULTS: readonly Fault[] = [
  {
    name: "holds are decided without the lines that other processes have just written",
    file: "src/budget/keeper.ts",
    from: "const events = this.#cursor.readSync(end, UNREAD_BYTES_MAX);",
    to: "const events = this.#cursor.readSync(end, UNREAD_BYTES_MAX); return this.#ledger;",
    tests: [...PROCESSES, "tests/budget/ledger_test.ts"],
  },
  {
    name: "holds that expire without an end are not charged",
    file: "src/budget/open_holds.ts",
    from: "orphaned = plus(orphaned, amount);",
    to: "orphaned = plus(orphaned, 0);",
    tests: UNIT,
  },
  {
    name: "the cost of a hold counts from the start of the hold, not from its end",
    file: "src/budget/ledger.ts",
    from: "account.add(amount, endOf(epochMs, account));",
    to: "account.add(amount, hold.untilMs - 900_000);",
    tests: UNIT,
  },
  {
    name: "a hold resolves when its line is written, before it is durable",
    file: "src/budget/hold_request.ts",
    from: "await this.#log.sync(this.#failedBefore);",
    to: "",
    tests: UNIT,
  },
  {
    name: "a hold resolves although the sync of its line has failed already",
    file: "src/write/log_sink.ts",
    from: "this.#commit.throwFailureSince(failedBefore);\n    if (hasBlocked",
    to: "if (hasBlocked",
    tests: UNIT,
  },
  {
    name: "amounts are added as floating-point numbers of USD",
    file: "src/budget/amount.ts",
    from: "return Math.min(a + b, Number.MAX_SAFE_INTEGER);",
    to: "return (a / 1e9 + b / 1e9) * 1e9;",
    tests: UNIT,
  },
  {
    name: "a hold on several budgets is granted if it fits on the first budget",
    file: "src/budget/ledger.ts",
    from: "for (const budget of hold.budgets) {",
    to: "for (const budget of hold.budgets.slice(0, 1)) {",
    tests: UNIT,
  },
  {
    name: "a budget_state line is used even if it contradicts the lines before it",
    file: "src/budget/ledger.ts",
    from: "if (this.#isWhole) {\n      this.compact",
    to: "if (stateOf(event) === null) {\n      this.compact",
    tests: UNIT,
  },
  {
    name: "a hold is granted although the disk is full",
    file: "src/budget/keeper.ts",
    from: "for (const { reject } of failed) reject(error);",
    to: "for (const { resolve } of failed) resolve();",
    tests: UNIT,
  },
  {
    name: "holds count although their lines could not be written",
    file: "src/budget/keeper.ts",
    from: "if (failed.length > 0) this.#restart();",
    to: "",
    tests: UNIT,
  },
  {
    name:
      "retention removes the archive with the newest budget_state line without writing a new one",
    file: "src/segments/retention.ts",
    from: "return !hasOlderState || (await this.#options.keepBudgets?.() ?? false);",
    to: "return true;",
    tests: UNIT,
  },
  {
    name: "budget_wait lines keep no room for holds that wait",
    file: "src/budget/tickets.ts",
    from: "return ticket.id === id ? 0 : amount;",
    to: "return 0;",
    tests: WAITING,
  },
  {
    name: "the budget_wait line of a dead process never expires",
    file: "src/budget/tickets.ts",
    from: "const isValid = ticket.untilMs > nowMs && ",
    to: "const isValid = ",
    tests: WAITING,
  },
];

await testPlantedFaults(
  "The tests of budgets fail for each fault that is planted in the source",
  FAULTS,
);
