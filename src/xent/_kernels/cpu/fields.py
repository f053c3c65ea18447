"""What is known of each row of a group while it is worked on: the names of the lines of an array (FIELDS, rows)."""

# fmt: off
(
    TOP,        # largest logit
    LEAST,      # logits below it have the term 0
    BASE, BIAS, # terms are exp(x - base)·2**bias
    LEFT,       # what is left of top: a number; in float64 the shift, in units of log 2
    TOTAL,      # sum of the terms of x < top
    TOPS,       # how many logits are at the top
    X_T,        # the target's logit
    BELOW,      # sum of top - x; with smoothing
    MASS,       # sum of a probability row
    WEIGHT,     # class weight × scale
    SCALE,      # sample weight / denominator
    LOSS, Z_LOSS,
    FACTOR,     # what a term × 2**-scale is multiplied by
    LOW,        # what rounding lost of it; before that, of WEIGHT
    AT_TARGET,  # the gradient there
    AT_TOP,     # the gradient at a maximum that is not the target (of a probability row: the rest) in a sure row; else
                # NaN: it needs no care
    PLUS,       # what is added to the gradient of every class: smoothing's part
    FIELDS,
) = range(20)
# fmt: on
