// A vitest reporter that writes what the closing lines of `npm test` need: counts for each project, why tests failed, and why they were skipped.
import { writeFileSync } from 'node:fs';

export default class CountReporter {
  #filtered = false;

  onInit(vitest) {
    // `-t` skips what it does not name, without a reason.
    this.#filtered = vitest.config.testNamePattern !== undefined;
  }

  onTestRunEnd(modules, unhandledErrors) {
    const projects = {};
    for (const module of modules) {
      const counts = (projects[module.project.name] ??= { passed: 0, failed: 0, skipped: 0, failures: [], skips: [] });
      const tests = [...module.children.allTests()];
      for (const test of tests) this.#count(test, counts);
      // A file that could not be loaded has no tests; that is a failure, not nothing.
      if (module.errors().length > 0) fail(counts, module.moduleId, module.errors());
    }
    writeFileSync(process.env.TEROK_TEST_COUNTS, JSON.stringify({ projects, unhandled: unhandledErrors.length }));
  }

  #count(test, counts) {
    const result = test.result();
    if (result.state === 'passed') counts.passed += 1;
    else if (result.state === 'failed') fail(counts, `${test.module.relativeModuleId} > ${test.fullName}`, result.errors);
    else {
      counts.skipped += 1;
      const reason = result.note ?? /\(skipped: (.*?)\)(?: > |$)/.exec(test.fullName)?.[1];
      if (!this.#filtered) counts.skips.push({ name: test.name, reason });
    }
  }
}

function fail(counts, name, errors) {
  counts.failed += 1;
  counts.failures.push({ name, message: errors.map(({ message }) => message).join('\n') });
}
