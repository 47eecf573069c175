# %% [markdown]
# # Comparing methods honestly
#
# Which way to learn is better on your data, and how sure is that? What makes such a comparison worth something:
#
# 1. the same images, clicks, network, scale and steps for all;
# 2. images to judge on that nobody has learnt from, at the masks' own size;
# 3. the **last** checkpoint, not the one that was best on the images that judge;
# 4. several seeds, and an interval for each difference;
# 5. bounds: `points` (clicked pixels alone) below, `full` (real masks) above.
#
# Here with the embedded data set, tiny networks and two seeds, so that it runs in a minute. The figures say nothing about
# the methods.

# %%
import statistics

import pointillist as pt
from pointillist.data.synthetic import write_dataset
from pointillist.inference.compare import Scored, compare

write_dataset("village", train=8, val=5)

# %% [markdown]
# ## Train each method with each seed
#
# The clicks are drawn anew for each seed, and are the same for all methods of a seed. People click differently, too.

# %%
# !pointillist points simulate village --split train --seed 0 --out clicks-0.csv
# !pointillist points simulate village --split train --seed 1 --out clicks-1.csv

# %%
METHODS = ("points", "single-stage", "full")
SETTINGS = {"trainer.steps": 25, "data.size": "48x60", "trainer.device": "cpu", "trainer.snapshots": 0}

scores = {}
for seed in (0, 1):
    data = pt.load("village", points=f"clicks-{seed}.csv")
    for method in METHODS:
        run = pt.train(data, out=f"runs/{method}-{seed}", method=method, seed=seed, settings=SETTINGS)
        scores[method, seed] = pt.evaluate(run, data, split="val")

# %%
full = statistics.mean(scores["full", seed].miou for seed in (0, 1))
for method in METHODS:
    found = [scores[method, seed].miou for seed in (0, 1)]
    print(f"{method:13s} mIoU {found[0]:.3f} {found[1]:.3f}  {statistics.mean(found) / full:.0%} of full")

# %% [markdown]
# ## How sure is it?
#
# For one seed: the images are drawn anew 1,000 times, the same for both methods (paired bootstrap).

# %%
comparison = compare([Scored.of(method, scores[method, 0]) for method in METHODS])
for entry in comparison.models[1:]:
    low, high = entry.difference_interval
    verdict = "not decided" if low <= 0 <= high else "decided, on images like these"
    print(f"{entry.name} − points: {entry.difference:+.3f} [{low:+.3f}, {high:+.3f}]  {verdict}")

# %% [markdown]
# This interval says what other *images* would change. What another *seed* would change is not in it: look at how far the two
# seeds of one method lie apart, above. With a difference of that size, you need more seeds.
#
# ## What to write beside a number
#
# Whoever reads it needs the protocol. It is kept with each score:

# %%
for key, value in scores["single-stage", 0].protocol.items():
    print(f"{key}: {value}")

# %% [markdown]
# ## Traps
#
# - **Frames of one video, tiles of one field.** They are alike; split by video or field, not by image.
# - **Masks made by a model** flatter that model.
# - **Tuning on the images that judge.** Hold out some training images for that, and open `test` once.
# - **Other people's figures.** Point source, background, initialisation, size and test-time extras differ between papers.
#
# The same on the command line, and the baselines there are: [ways to learn](../methods.md). Our own comparison is made
# this way: [results](../results.md).
