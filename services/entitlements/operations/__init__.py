"""What operators see of the processes.

metrics   every metric, declared once with its kind and unit
"""
