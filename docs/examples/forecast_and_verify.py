"""Make a persistence forecast from a workspace's archive, and see how good it was.

The workspace is the current directory, or the one in $MET2NET_WORKSPACE.
"""

# %% Open the workspace and see what is in the archive
import met2net_ops as m2n

workspace = m2n.find_workspace()
m2n.ingest_files(workspace)
frames = m2n.open_archive(workspace)
print(frames.sizes, list(frames.data_vars))

# %% Forecast from the time six hours before the newest frame
start = frames.time[-7].dt.strftime("%Y-%m-%dT%H").item()
result = m2n.run_cycle(workspace, start, model="persistence", leads=6)
forecast = m2n.open_product(result.path)
print(forecast.t2m)

# %% Verify it against the analyses that followed
m2n.verify(workspace, model="persistence")
scores = m2n.summary(workspace, model="persistence")
print(scores[["variable", "lead_hours", "n", "rmse", "bias"]])

# %% How fast the error grows: RMSE at the last lead over that at the first
by_lead = scores.pivot_table(index="variable", columns="lead_hours", values="rmse")
ratio = (by_lead[by_lead.columns[-1]] / by_lead[by_lead.columns[0]]).loc[
    scores["variable"].unique()
]
print(ratio)
