"""Studies: accuracy over chips, the ladder of non-idealities, SPICE in the loop; and their error bars."""
