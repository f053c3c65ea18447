"""`xent bench`: the time, memory and error of the loss with its gradient, ours and every installed peer's, in one run.

| file | holds |
|---|---|
| task, shapes, data | what is computed; the shapes by name; the batches, and the files they travel in |
| exact, exact_linear, ulp, check | the right answers in wider arithmetic, and how far off a result is |
| peers | one file a peer: the call that its users write |
| worker, process, timing, memory | the process that a peer runs in, its other end, what is measured in it |
| rounds, machine, stats | the run: interleaved rounds; what it ran on; median, spread, ratio |
| record | the results, to and from JSON |
| text, plots, report, compare | as lines, as pictures, as a page; against an earlier run |
"""
