import sys

print("late, after", sys.argv[1:])
