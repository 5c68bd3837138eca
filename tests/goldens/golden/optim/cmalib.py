"""One CMA-ES update step by the formulas of the specification (Hansen, arXiv 1604.00772), in float64 numpy."""
import math
import numpy as np


def constants(n, lam=None, active=True):
    lam = lam or 4 + int(3 * math.log(n))
    mu = lam // 2
    wp = np.array([math.log((lam + 1) / 2) - math.log(i) for i in range(1, lam + 1)])
    mueff = wp[:mu].sum() ** 2 / (wp[:mu] ** 2).sum()
    mueffm = wp[mu:].sum() ** 2 / (wp[mu:] ** 2).sum()
    c1 = 2 / ((n + 1.3) ** 2 + mueff)
    cmu = min(1 - c1, 2 * (0.25 + mueff + 1 / mueff - 2) / ((n + 2) ** 2 + mueff))
    am = min(1 + c1 / cmu, 1 + 2 * mueffm / (mueff + 2), (1 - c1 - cmu) / (n * cmu))
    pos, neg = wp[wp > 0].sum(), -wp[wp < 0].sum()
    w = np.where(wp >= 0, wp / pos, am * wp / neg if active else 0.0)
    cs = (mueff + 2) / (n + mueff + 5)
    ds = 1 + 2 * max(0.0, math.sqrt((mueff - 1) / (n + 1)) - 1) + cs
    cc = (4 + mueff / n) / (n + 4 + 2 * mueff / n)
    chi = math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n))
    return dict(n=n, lam=lam, mu=mu, w=w, mueff=mueff, mueffm=mueffm, c1=c1, cmu=cmu, alpha=am, cs=cs, ds=ds, cc=cc, chi=chi)


def step(k, g, mean, sigma, C, ps, pc, X, rank):
    """g: number of updates done before this one (0 for the first).  X: lam x n samples.  rank[i]: 0 for the best.
    Returns the next state and the intermediate values."""
    n = k["n"]
    order = np.argsort(rank, kind="stable")
    Y = (X[order] - mean) / sigma
    d, B = np.linalg.eigh(C)
    assert d.min() > 0
    IS = (B / np.sqrt(d)) @ B.T
    w, mu = k["w"], k["mu"]
    yw = w[:mu] @ Y[:mu]
    m2 = mean + sigma * yw
    ps2 = (1 - k["cs"]) * ps + math.sqrt(k["cs"] * (2 - k["cs"]) * k["mueff"]) * (IS @ yw)
    nps = np.linalg.norm(ps2)
    h = 1.0 if nps / math.sqrt(1 - (1 - k["cs"]) ** (2 * (g + 1))) < (1.4 + 2 / (n + 1)) * k["chi"] else 0.0
    s2 = sigma * math.exp(k["cs"] / k["ds"] * (nps / k["chi"] - 1))
    pc2 = (1 - k["cc"]) * pc + h * math.sqrt(k["cc"] * (2 - k["cc"]) * k["mueff"]) * yw
    maha2 = ((Y @ IS.T) ** 2).sum(1)
    wo = np.where(w >= 0, w, w * n / maha2)
    decay = 1 + k["c1"] * (1 - h) * k["cc"] * (2 - k["cc"]) - k["c1"] - k["cmu"] * w.sum()
    C2 = decay * C + k["c1"] * np.outer(pc2, pc2) + k["cmu"] * (Y.T * wo) @ Y
    C2 = (C2 + C2.T) / 2
    return dict(mean=m2, sigma=s2, C=C2, ps=ps2, pc=pc2, h_sigma=h, norm_ps=nps, weights_used=wo, decay=decay)
