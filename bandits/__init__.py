"""The learning core: pure numpy, no Django, no SQL, no HTTP. Usable from a notebook.

    design = Design([4, 3, 2], contexts=[2])
    posterior = fit(design, Observations(variant, context, period, n, total, total_squares), reward="bool")
    table = SlotTable(posterior, seed=7)
    variant = table.winners((0,))[slot_of("optimization", "user", table.slots)]
    report = fit(design, observations, reward="bool", periods="random_walk")
    readout(report, shares=table.shares, holdout=0.1, rng=np.random.default_rng(7))

From the bottom up: `design`, `observations`; `coding`, `gram`, `cells` (the model matrix, never formed); `prior`,
`likelihood`, `empirical_bayes`, `laplace`, `posterior`; `draws`, `thompson`, `expected` (serving); `quadrature`,
`effects`, `readout`, `lift` (reporting); `assignment`, `capping`, `maturity` (rules that extraction and serving
share).
"""
