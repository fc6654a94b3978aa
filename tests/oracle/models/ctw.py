"""Context tree weighting as what it is: a mixture over every tree source, summed tree by tree.

A symbol is a path of binary decisions: the half of its range of symbols it lies in, until it is
alone. To every decision belongs the sequence of its outcomes, each with the past at that time. A
tree source cuts the pasts by their last symbols into its leaves, none longer than D symbols; a leaf
predicts its outcomes by (count of this one + alpha) / (counts + 2 alpha). Its prior is 1/2 for
every node that is not at depth D: the choice of being a leaf or not (Willems, Shtarkov, Tjalkens
1995, (8) and (21)). Before the first symbol comes one that is not in the alphabet.
"""

from collections import defaultdict
from functools import cache
from itertools import product


def decisions(symbol, symbols):
    """[(range, bit)] from the whole alphabet down to the symbol."""
    low, high, path = 0, symbols, []
    while high - low > 1:
        middle = low + (high - low) // 2
        bit = int(symbol >= middle)
        path.append(((low, high), bit))
        low, high = (middle, high) if bit else (low, middle)
    return path


@cache
def trees(symbols, depth, node=()):
    """[(leaves, nodes that are not at full depth)], pasts being tuples with the last symbol first.

    The symbol before the beginning is number `symbols`.
    """
    if depth == 0:
        return [((node,), 0)]
    below = [trees(symbols, depth - 1, (*node, s)) for s in range(symbols + 1)]
    split = [
        (sum((leaves for leaves, _ in choice), ()), 1 + sum(cost for _, cost in choice))
        for choice in product(*below)
    ]
    return [((node,), 1), *split]


def leaf_probability(outcomes, alpha, limit):
    p, counts = 1, [0, 0]
    for bit in outcomes:
        p = p * (counts[bit] + alpha) / (sum(counts) + 2 * alpha)
        if limit is not None and sum(counts) >= limit:
            counts = [(c + 1) // 2 for c in counts]
        counts[bit] += 1
    return p


def probability(past_symbols, symbols, depth, alpha, limit=None):
    """Of the whole sequence: a product over decisions of mixtures over trees."""
    outcomes = defaultdict(lambda: defaultdict(list))  # decision: past: outcomes
    for t, symbol in enumerate(past_symbols):
        past = tuple(past_symbols[t - 1 - d] if t > d else symbols for d in range(depth))
        for decision, bit in decisions(symbol, symbols):
            for d in range(depth + 1):
                outcomes[decision][past[:d]].append(bit)
    total = 1
    for of_node in outcomes.values():
        mixture = 0
        for leaves, cost in trees(symbols, depth):
            p = alpha**0  # an exact number stays one
            for leaf in leaves:
                p = p * leaf_probability(of_node[leaf], alpha, limit) if leaf in of_node else p
            mixture += p / 2**cost
        total *= mixture
    return total
