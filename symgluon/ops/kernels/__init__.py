"""NumPy kernels of the operators with more arithmetic than one NumPy call.

Plain functions on arrays: they know nothing of graphs, operators or handles. They are the judge
against which every other backend is compared, so they prefer exactness over speed, compute
float16 in float32, and never modify an argument.
"""
